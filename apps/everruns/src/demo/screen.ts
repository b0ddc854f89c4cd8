/** An event as it comes from the stream. */
export interface ScreenEvent {
  type: string;
  sequence?: number;
  data: Record<string, unknown>;
}

export interface Screen {
  show(event: ScreenEvent): void;
  /** A line of the demo itself. */
  note(line: string): void;
}

interface Call {
  id: string;
  name: string;
  arguments?: Record<string, unknown>;
}

/** Writes a session's events as they come: text word by word, everything else as one line with its number in the log. */
export function createScreen(write: (text: string) => void): Screen {
  let midLine = false;
  let shown = '';
  const line = (text: string): void => {
    write(`${midLine ? '\n' : ''}${text}\n`);
    midLine = false;
  };
  return {
    note: line,
    show(event) {
      if (event.type === 'output.message.delta') {
        if (!midLine) write('         ');
        midLine = true;
        shown += String(event.data['delta']);
        write(String(event.data['delta']));
        return;
      }
      const text = describe(event, shown);
      if (event.type === 'output.message.completed' || event.type === 'reason.recovered') shown = '';
      if (text !== null) line(`${String(event.sequence ?? '').padStart(5)}    ${text}`);
    },
  };
}

/** Null for events that say nothing to people. */
function describe({ type, data }: ScreenEvent, shown: string): string | null {
  switch (type) {
    case 'turn.started':
      return 'turn started';
    case 'tool.started':
      return `tool started    ${callText(data['tool_call'] as Call)}`;
    case 'tool.completed':
      return `tool ${String(data['status'])}    ${String(data['tool_name'])} (${String(data['tool_call_id'])})`;
    case 'output.message.completed':
      return shown === '' ? messageText(data) : 'message complete';
    case 'reason.recovered':
      return 'the answer is started anew by another worker';
    case 'turn.completed':
      return `turn completed after ${String(data['iterations'])} model calls that counted`;
    case 'turn.failed':
      return `turn failed: ${String(data['error'])}`;
    default:
      return null;
  }
}

function callText({ id, name, arguments: given }: Call): string {
  const what = given?.['what'];
  return `${name} (${id})${typeof what === 'string' ? `: ${what}` : ''}`;
}

function messageText(data: Record<string, unknown>): string {
  const { content } = data['message'] as { content: { type: string; text?: string }[] };
  return content.map((part) => part.text ?? '').join('');
}
