import type { EventData } from '@everruns/client';

export type Message = EventData<'input.message'>['message'];
export type Task = EventData<'task.created'>['task'];
export type Usage = NonNullable<EventData<'session.idled'>['usage']>;
type BudgetNews = EventData<'budget.paused'>;

export interface UserItem {
  kind: 'user';
  key: string;
  message: Message;
  at: string;
  /** It came while the turn was running. */
  steers: boolean;
}

export interface AgentItem {
  kind: 'agent';
  key: string;
  text: string;
  content: Message['content'];
  state: 'streaming' | 'done' | 'interrupted' | 'replaced';
  attempt: number;
  at: string;
  model?: string;
  /** Why the text was replaced, or the code of the failure that it tells. */
  reason?: string;
}

export interface ThinkingItem {
  kind: 'thinking';
  key: string;
  text: string;
  isStreaming: boolean;
  attempt: number;
}

export type ToolState = 'planned' | 'running' | 'approval' | 'client' | 'success' | 'error' | 'timeout' | 'cancelled';

/** The end of a text that is printed, and how long the whole of it is. */
export interface Printed {
  text: string;
  chars: number;
}

export interface ToolItem {
  kind: 'tool';
  key: string;
  callId: string;
  name: string;
  title: string;
  arguments: unknown;
  state: ToolState;
  attempt: number;
  /** What it prints, by stream. */
  output: Readonly<Record<string, Printed>>;
  startedAt?: string;
  durationMs?: number;
  progress?: string;
  result?: readonly unknown[];
  error?: string;
  approval?: { reason?: string; isMemorable: boolean; expiresAt: string };
  decision?: string;
  /** Run by the vendor of the model. */
  isHosted?: true;
}

export interface NoticeItem {
  kind: 'notice';
  key: string;
  tone: 'plain' | 'warn' | 'bad' | 'good';
  text: string;
  at: string;
  sessionId?: string;
  taskId?: string;
}

export interface EndItem {
  kind: 'end';
  key: string;
  status: 'completed' | 'failed' | 'cancelled' | 'sealed';
  at: string;
  text?: string;
  /** A message of the agent says the same. */
  isTold?: true;
  code?: string;
  durationMs?: number;
  modelCalls?: number;
  toolCalls?: number;
  usage?: Usage;
}

export type Item = UserItem | AgentItem | ThinkingItem | ToolItem | NoticeItem | EndItem;

/** A turn, or what lies between two turns. */
export interface Block {
  key: string;
  turnId: string | null;
  items: readonly Item[];
  isRunning: boolean;
  startedAt: string;
  /** The budget that the turn waits for. */
  budget: BudgetNews | null;
  /** Which call of the model is on, for the texts that belong to it. */
  reason: string;
  /** How many stored events it is made of. */
  eventCount: number;
}

export interface Conversation {
  blocks: readonly Block[];
  tasks: Readonly<Record<string, Task>>;
  lastSequence: number;
}

export const NOTHING_YET: Conversation = { blocks: [], tasks: {}, lastSequence: 0 };
