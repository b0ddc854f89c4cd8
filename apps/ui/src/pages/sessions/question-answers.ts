import type { Schemas } from '../../data/queries.ts';

type Question = Schemas['AskedQuestion'];
type Answer = Schemas['AnswerQuestions']['answers'][number];

export interface Given {
  selected: readonly string[];
  text: string;
}

/** The questions in the arguments of a call; what is no question is left out. */
export function questionsOf(given: unknown): Question[] {
  const questions = (given as { questions?: unknown } | null)?.questions;
  if (!Array.isArray(questions)) return [];
  return (questions as unknown[]).filter(
    (each): each is Question =>
      typeof each === 'object' &&
      each !== null &&
      typeof (each as Question).id === 'string' &&
      typeof (each as Question).question === 'string',
  );
}

/** What was entered, as the API takes it; null: every question is declined, and so is one without an entry. */
export function answersOf(questions: readonly Question[], given: Readonly<Record<string, Given>> | null): Answer[] {
  return questions.map(({ id: question_id, kind }) => {
    const { selected = [], text = '' } = given?.[question_id] ?? {};
    if (given === null || (selected.length === 0 && text === '')) return { question_id, declined: true };
    if (kind === 'secret') return { question_id, secret: text };
    if (kind === 'text') return { question_id, text };
    return { question_id, ...(selected.length > 0 && { selected: [...selected] }), ...(text !== '' && { other: text }) };
  });
}
