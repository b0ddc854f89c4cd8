import type { AgentItem, Block, ToolItem } from './conversation-types.ts';

const MOST_CHARS = 500;

/** What a reader is told of the newest turn: that it began, what it needs, what came of it. Texts are told when they are whole. */
export function announcement(block: Block | undefined): string {
  if (block === undefined || block.turnId === null) return '';
  const waiting = block.items.findLast((item): item is ToolItem => item.kind === 'tool' && ['approval', 'client'].includes(item.state));
  if (waiting?.state === 'approval') return `${waiting.title} waits for your decision.`;
  if (waiting !== undefined) return waiting.name === 'ask_user' ? 'The agent asks you something.' : `${waiting.title} waits for an answer.`;
  if (block.isRunning) return 'The agent is working.';
  const end = block.items.findLast(({ kind }) => kind === 'end');
  if (end?.kind === 'end' && end.status !== 'completed') return `The turn was ${end.status}. ${end.text ?? ''}`;
  const answer = block.items.findLast((item): item is AgentItem => item.kind === 'agent');
  return answer === undefined ? 'The turn is over.' : `The agent answered: ${answer.text.slice(0, MOST_CHARS)}`;
}
