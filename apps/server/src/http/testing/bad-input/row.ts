/** What clients must not send, and what each of it is answered with. */
export interface BadInput {
  name: string;
  call: [method: string, path: string, body?: unknown, headers?: Record<string, string>];
  status: number;
  code: string;
  field?: string;
}

export const HEX = 'f'.repeat(32);
export const JSON_TYPE = { 'content-type': 'application/json' };
export const text = (value: unknown) => ({ message: { content: [{ type: 'text', text: value }] } });
