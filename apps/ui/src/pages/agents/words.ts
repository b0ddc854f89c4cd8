import type { Kind } from './kinds.ts';

/** How pages speak of each kind. */
export const WORDS: Readonly<
  Record<
    Kind,
    { one: string; title: string; about: string; make: string; empty: string; emptyAbout: string; prompt: string; promptHint: string }
  >
> = {
  agent: {
    one: 'agent',
    title: 'Agents',
    about: 'A prompt with capabilities. Every conversation is a session with one of them.',
    make: 'New agent',
    empty: 'No agent yet',
    emptyAbout: 'An agent is a prompt, a model and what it may do. Write one, or begin with an example and change it.',
    prompt: 'Prompt',
    promptHint: 'Who the agent is, what it does, and how.',
  },
  harness: {
    one: 'harness',
    title: 'Harnesses',
    about: 'What agents run on: a prompt, capabilities and limits that several of them share.',
    make: 'New harness',
    empty: 'No harness',
    emptyAbout: 'A harness gives several agents the same base. Build one on a built-in one.',
    prompt: 'Prompt',
    promptHint: 'What every agent on it is told. It stands below the prompt of the agent.',
  },
};
