import { Badge } from '../../ui/notes.tsx';
import type { Tone } from '../../ui/notes.tsx';
import type { Task } from './conversation-types.ts';

const STATES: Readonly<Record<Task['state'], [tone: Tone, text: string]>> = {
  queued: ['plain', 'queued'],
  running: ['accent', 'running'],
  awaiting_input: ['warn', 'waiting for an answer'],
  succeeded: ['good', 'succeeded'],
  failed: ['bad', 'failed'],
  canceled: ['plain', 'cancelled'],
};

export function TaskState({ state }: { state: Task['state'] }) {
  const [tone, text] = STATES[state];
  return <Badge tone={tone}>{text}</Badge>;
}
