import type { SessionEvent } from '@everruns/client';
import { NOTHING_YET } from './conversation-types.ts';
import type { Block, Conversation, Task } from './conversation-types.ts';
import { BlockDraft } from './block-draft.ts';
import { FOLDS } from './conversation-folds.ts';

/**
 * The conversation that events tell, in any portions: whatever an event does not touch stays the same object, so that a page can tell by
 * identity what it need not draw again. Stored events that were seen before change nothing.
 */
export function applyEvents(conversation: Conversation, events: readonly SessionEvent[]): Conversation {
  const blocks = [...conversation.blocks];
  let { tasks, lastSequence } = conversation;
  let draft: BlockDraft | null = null;
  const open = (event: SessionEvent): BlockDraft => {
    const index = indexOfBlock(blocks, event);
    if (draft?.index === index && index !== -1) return draft;
    if (draft !== null) blocks[draft.index] = draft.done();
    const at = index === -1 ? blocks.push(newBlock(event)) - 1 : index;
    draft = new BlockDraft(blocks[at] as Block, at);
    blocks[at] = draft.block;
    return draft;
  };
  for (const event of events) {
    if (event.sequence !== undefined && event.sequence <= lastSequence) continue;
    if (event.sequence === undefined && indexOfBlock(blocks, event) === -1) continue; // a text of a turn that is not known
    lastSequence = event.sequence ?? lastSequence;
    const task = taskOf(event);
    if (task !== null) tasks = { ...tasks, [task.id]: task };
    fold(open(event), event);
  }
  if (draft !== null) blocks[(draft as BlockDraft).index] = (draft as BlockDraft).done();
  return { blocks, tasks, lastSequence };
}

/** All that is known after older events were loaded: made anew, with every block that is the same as before. */
export function withOlder(conversation: Conversation, all: readonly SessionEvent[]): Conversation {
  const known = new Map(conversation.blocks.map((block) => [block.key, block]));
  const whole = applyEvents(NOTHING_YET, all);
  const blocks = whole.blocks.map((block) => {
    const before = known.get(block.key);
    return before?.eventCount === block.eventCount ? before : block;
  });
  return { ...whole, blocks, tasks: { ...whole.tasks, ...conversation.tasks } };
}

function fold(draft: BlockDraft, event: SessionEvent): void {
  if (event.sequence !== undefined) draft.block.eventCount++;
  // There may be types that this version does not know.
  (FOLDS[event.type] as ((draft: BlockDraft, event: SessionEvent) => void) | undefined)?.(draft, event);
}

function taskOf(event: SessionEvent): Task | null {
  return event.type === 'task.created' || event.type === 'task.updated' ? event.data.task : null;
}

function turnOf(event: SessionEvent): string | null {
  return event.context?.turn_id ?? (event.data as { turn_id?: string }).turn_id ?? null;
}

/** What belongs to no turn stands where it happened: in the turn that runs, or between two. */
function indexOfBlock(blocks: readonly Block[], event: SessionEvent): number {
  const turnId = turnOf(event);
  const last = blocks.at(-1);
  if (turnId === null) return last !== undefined && (last.isRunning || last.turnId === null) ? blocks.length - 1 : -1;
  return last?.turnId === turnId ? blocks.length - 1 : blocks.findLastIndex((block) => block.turnId === turnId);
}

function newBlock(event: SessionEvent): Block {
  const turnId = turnOf(event);
  const key = turnId ?? `between ${event.id}`;
  return { key, turnId, items: [], isRunning: turnId !== null, startedAt: event.ts, budget: null, reason: key, eventCount: 0 };
}
