import { useMutation } from '@tanstack/react-query';
import { useId, useState } from 'react';
import type { FormEvent } from 'react';
import { api } from '../../data/client.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { TextArea, TextField } from '../../ui/fields.tsx';
import { ErrorNote } from '../../ui/notes.tsx';
import type { ToolItem } from './conversation-types.ts';
import { answersOf, questionsOf } from './question-answers.ts';
import type { Given } from './question-answers.ts';
import { sessionRoute } from './session-queries.ts';

/** What the agent asks, as a form. */
export function Questions({ item }: { item: ToolItem }) {
  const { sessionId } = sessionRoute.useParams();
  const questions = questionsOf(item.arguments);
  const [given, setGiven] = useState<Record<string, Given>>(() =>
    Object.fromEntries(questions.map(({ id, default: selected = [] }) => [id, { selected, text: '' }])),
  );
  const send = useMutation({
    mutationFn: (declined: boolean) =>
      api.post('/v1/sessions/{id}/question-answers', {
        params: { path: { id: sessionId } },
        body: { tool_call_id: item.callId, answers: answersOf(questions, declined ? null : given) },
      }),
  });
  const isBusy = send.isPending || send.isSuccess;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    send.mutate(false);
  };
  return (
    <form onSubmit={submit} aria-label="Questions of the agent" className="flex flex-col gap-5 border-t border-line px-3 py-4">
      {questions.map((question) => (
        <Question
          key={question.id}
          question={question}
          given={given[question.id] ?? { selected: [], text: '' }}
          onChange={(answer) => setGiven({ ...given, [question.id]: answer })}
        />
      ))}
      {send.error !== null && <ErrorNote error={send.error} />}
      <div className="flex gap-2">
        <Button kind="primary" type="submit" disabled={isBusy}>
          Answer
        </Button>
        <Button disabled={isBusy} onClick={() => send.mutate(true)}>
          Decline
        </Button>
      </div>
    </form>
  );
}

interface QuestionProps {
  question: Schemas['AskedQuestion'];
  given: Given;
  onChange: (given: Given) => void;
}

function Question({ question, given, onChange }: QuestionProps) {
  const { kind, header } = question;
  const label = header === undefined ? question.question : `${header}: ${question.question}`;
  const onText = (text: string): void => onChange({ ...given, text });
  if (kind === 'secret') {
    return (
      <TextField
        label={label}
        type="password"
        autoComplete="off"
        hint={`Kept as a secret${question.secret_name === undefined ? '' : ` under the name ${question.secret_name}`}; the model does not see it.`}
        value={given.text}
        required
        onChange={(event) => onText(event.target.value)}
      />
    );
  }
  if (kind === 'text') {
    return (
      <TextArea
        label={label}
        className="min-h-16"
        value={given.text}
        required
        minLength={question.min_length}
        maxLength={question.max_length}
        onChange={(event) => onText(event.target.value)}
      />
    );
  }
  return <ChoiceQuestion question={question} label={label} given={given} onChange={onChange} />;
}

function ChoiceQuestion({ question, label, given, onChange }: QuestionProps & { label: string }) {
  const name = useId();
  const isMultiple = question.multiple === true;
  const toggle = (value: string, isOn: boolean): void => {
    const others = isMultiple ? given.selected.filter((each) => each !== value) : [];
    onChange({ text: isMultiple ? given.text : '', selected: isOn ? [...others, value] : others });
  };
  return (
    <fieldset>
      <legend className="mb-2 text-sm font-medium">{label}</legend>
      <div className="flex flex-col gap-1.5">
        {(question.options ?? []).map(({ value, label: text, description }) => (
          <label key={value} className="flex cursor-pointer items-start gap-2.5 rounded-lg border border-line px-3 py-2 hover:bg-sunken">
            <input
              type={isMultiple ? 'checkbox' : 'radio'}
              name={name}
              checked={given.selected.includes(value)}
              onChange={(event) => toggle(value, event.target.checked)}
              className="mt-1 size-4 accent-accent"
            />
            <span>
              <span className="block text-sm">{text}</span>
              {description !== undefined && <span className="block text-[13px] text-ink-faint">{description}</span>}
            </span>
          </label>
        ))}
        {question.allow_other === true && (
          <TextField
            label={`Something else: ${question.question}`}
            hideLabel
            placeholder="Something else"
            value={given.text}
            onChange={(event) => onChange({ text: event.target.value, selected: isMultiple ? given.selected : [] })}
          />
        )}
      </div>
    </fieldset>
  );
}
