import { Badge } from '../../ui/notes.tsx';
import type { Tone } from '../../ui/notes.tsx';

const STATES: Readonly<Record<string, [tone: Tone, text: string]>> = {
  active: ['accent', 'working'],
  waiting_for_tool_results: ['warn', 'waiting for you'],
  waitingfortoolresults: ['warn', 'waiting for you'],
  paused: ['warn', 'paused'],
  idle: ['plain', 'idle'],
  started: ['plain', 'new'],
};

export const stateText = (status: string): string => STATES[status]?.[1] ?? status;

export function SessionState({ status }: { status: string }) {
  return (
    <Badge tone={STATES[status]?.[0] ?? 'plain'}>
      {status === 'active' && <span aria-hidden className="size-1.5 animate-pulse rounded-full bg-current" />}
      {stateText(status)}
    </Badge>
  );
}
