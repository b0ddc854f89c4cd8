import { useState } from 'react';
import type { ReactNode } from 'react';
import { fieldError, useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { Button } from '../../ui/button.tsx';
import { SelectField, TextField } from '../../ui/fields.tsx';
import { ErrorNote } from '../../ui/notes.tsx';
import { PERIOD_CHOICES } from './budget-state.ts';
import { organizationId } from './queries.ts';
import type { Budget } from './queries.ts';
import { useSubjectNames } from './subject-names.ts';

interface FormProps {
  verb: string;
  error: unknown;
  isPending: boolean;
  submit: () => void;
  onDone: () => void;
  children: ReactNode;
}

function Form({ verb, error, isPending, submit, onDone, children }: FormProps) {
  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {children}
      {error != null && <ErrorNote error={error} />}
      <div className="flex justify-end gap-2">
        <Button onClick={onDone}>Cancel</Button>
        <Button type="submit" kind="primary" disabled={isPending}>
          {verb}
        </Button>
      </div>
    </form>
  );
}

interface AmountProps {
  label: string;
  currency: string;
  value: string;
  error: unknown;
  field: string;
  hint?: string;
  required?: boolean;
  onChange: (value: string) => void;
}

function Amount({ label, currency, value, error, field, hint, required = false, onChange }: AmountProps) {
  return (
    <TextField
      label={`${label}, in ${currency === 'usd' ? 'dollars' : currency}`}
      type="number"
      min={0}
      step="any"
      inputMode="decimal"
      required={required}
      value={value}
      error={fieldError(error, field)}
      {...(hint !== undefined && { hint })}
      onChange={({ target }) => onChange(target.value)}
    />
  );
}

type SubjectType = Budget['subject_type'];

const SUBJECTS: readonly { value: SubjectType; label: string }[] = [
  { value: 'organization', label: 'The whole organization' },
  { value: 'agent', label: 'An agent' },
  { value: 'user', label: 'A user' },
  { value: 'session', label: 'One session' },
];

export function BudgetForm({ onDone }: { onDone: () => void }) {
  const [type, setType] = useState<SubjectType>('organization');
  const [subject, setSubject] = useState('');
  const [currency, setCurrency] = useState('usd');
  const [limit, setLimit] = useState('');
  const [soft, setSoft] = useState('');
  const [period, setPeriod] = useState('month');
  const create = useChange(
    async () =>
      api.post('/v1/budgets', {
        body: {
          subject_type: type,
          subject_id: type === 'organization' ? await organizationId() : subject.trim(),
          currency,
          limit: Number(limit),
          soft_limit: soft === '' ? null : Number(soft),
          period: PERIOD_CHOICES.find(({ value }) => value === period)?.period ?? null,
        },
      }),
    'budgets',
  );
  const { error } = create;
  const isToldAbove = ['subject_id', 'limit', 'soft_limit'].some((field) => fieldError(error, field) !== undefined);
  return (
    <Form
      verb="Create budget"
      error={isToldAbove ? null : error}
      isPending={create.isPending}
      onDone={onDone}
      submit={() => create.mutate(undefined, { onSuccess: onDone })}
    >
      <SelectField
        label="For"
        value={type}
        choices={SUBJECTS}
        onChange={({ target }) => {
          setType(target.value as SubjectType);
          setSubject('');
        }}
      />
      <SubjectField type={type} value={subject} error={fieldError(error, 'subject_id')} onChange={setSubject} />
      <SelectField
        label="Counted in"
        value={currency}
        choices={[
          { value: 'usd', label: 'Dollars' },
          { value: 'tokens', label: 'Tokens' },
        ]}
        onChange={({ target }) => setCurrency(target.value)}
      />
      <Amount label="Limit" currency={currency} required value={limit} error={error} field="limit" onChange={setLimit} />
      <Amount
        label="Warn from"
        currency={currency}
        value={soft}
        error={error}
        field="soft_limit"
        hint="Sessions go on, and are told. Empty: no warning."
        onChange={setSoft}
      />
      <SelectField label="How often" value={period} choices={PERIOD_CHOICES} onChange={({ target }) => setPeriod(target.value)} />
    </Form>
  );
}

interface SubjectFieldProps {
  type: SubjectType;
  value: string;
  error: string | undefined;
  onChange: (value: string) => void;
}

function SubjectField({ type, value, error, onChange }: SubjectFieldProps) {
  const { agents, people } = useSubjectNames();
  if (type === 'organization') return null;
  if (type === 'session') {
    return (
      <TextField
        label="Session"
        required
        placeholder="session_…"
        hint="Its id stands in the address of its page."
        value={value}
        error={error}
        onChange={({ target }) => onChange(target.value)}
      />
    );
  }
  const choices = [...(type === 'agent' ? agents : people)].map(([id, label]) => ({ value: id, label }));
  return (
    <SelectField
      label={type === 'agent' ? 'Agent' : 'User'}
      required
      value={value}
      error={error}
      choices={[{ value: '', label: 'Choose one' }, ...choices]}
      onChange={({ target }) => onChange(target.value)}
    />
  );
}

type Status = 'active' | 'paused' | 'disabled';

export function LimitsForm({ budget, onDone }: { budget: Budget; onDone: () => void }) {
  const [limit, setLimit] = useState(String(budget.limit));
  const [soft, setSoft] = useState(budget.soft_limit === undefined ? '' : String(budget.soft_limit));
  // One that is used up is active: it follows from what was spent.
  const [status, setStatus] = useState<Status>(budget.status === 'exhausted' ? 'active' : budget.status);
  const change = useChange(
    async () =>
      api.patch('/v1/budgets/{id}', {
        params: { path: { id: budget.id } },
        body: { limit: Number(limit), soft_limit: soft === '' ? null : Number(soft), status },
      }),
    'budgets',
  );
  const { error } = change;
  const isToldAbove = ['limit', 'soft_limit'].some((field) => fieldError(error, field) !== undefined);
  return (
    <Form
      verb="Save limits"
      error={isToldAbove ? null : error}
      isPending={change.isPending}
      onDone={onDone}
      submit={() => change.mutate(undefined, { onSuccess: onDone })}
    >
      <Amount label="Limit" currency={budget.currency} required value={limit} error={error} field="limit" onChange={setLimit} />
      <Amount
        label="Warn from"
        currency={budget.currency}
        value={soft}
        error={error}
        field="soft_limit"
        hint="Empty: no warning."
        onChange={setSoft}
      />
      <SelectField
        label="State"
        value={status}
        choices={[
          { value: 'active', label: 'Active' },
          { value: 'paused', label: 'Paused: sessions wait' },
          { value: 'disabled', label: 'Disabled: nothing is limited' },
        ]}
        onChange={({ target }) => setStatus(target.value as Status)}
      />
    </Form>
  );
}

export function TopUpForm({ budget, onDone }: { budget: Budget; onDone: () => void }) {
  const [amount, setAmount] = useState('');
  const [why, setWhy] = useState('');
  const topUp = useChange(
    async () =>
      api.post('/v1/budgets/{id}/top-up', {
        params: { path: { id: budget.id } },
        body: { amount: Number(amount), ...(why.trim() !== '' && { description: why.trim() }) },
      }),
    'budgets',
  );
  const { error } = topUp;
  return (
    <Form
      verb="Top up"
      error={fieldError(error, 'amount') === undefined ? error : null}
      isPending={topUp.isPending}
      onDone={onDone}
      submit={() => topUp.mutate(undefined, { onSuccess: onDone })}
    >
      <Amount label="Amount" currency={budget.currency} required value={amount} error={error} field="amount" onChange={setAmount} />
      <TextField label="Why" maxLength={500} hint="Stands in the ledger." value={why} onChange={({ target }) => setWhy(target.value)} />
    </Form>
  );
}
