import { expect, it } from 'vitest';
import { answersOf, questionsOf } from './question-answers.ts';

const questions = questionsOf({
  questions: [
    { id: 'size', kind: 'choice', question: 'Which?' },
    { id: 'name', kind: 'text', question: 'Who?' },
    { id: 'key', kind: 'secret', question: 'Key?' },
    'nonsense',
  ],
});

it('finds the questions of a call and leaves out what is none', () => {
  expect(questions.map(({ id }) => id)).toEqual(['size', 'name', 'key']);
  expect(questionsOf(null)).toEqual([]);
});

it('answers each kind in its own member, and declines what was left empty', () => {
  const given = { size: { selected: ['s'], text: '' }, name: { selected: [], text: 'Ada' }, key: { selected: [], text: '' } };
  expect(answersOf(questions, given)).toEqual([
    { question_id: 'size', selected: ['s'] },
    { question_id: 'name', text: 'Ada' },
    { question_id: 'key', declined: true },
  ]);
});

it('takes something else than the options', () => {
  expect(answersOf(questions.slice(0, 1), { size: { selected: [], text: 'huge' } })).toEqual([{ question_id: 'size', other: 'huge' }]);
});

it('declines all of them', () => {
  expect(answersOf(questions, null).every(({ declined }) => declined)).toBe(true);
});
