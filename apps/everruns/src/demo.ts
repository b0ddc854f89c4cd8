/**
 * `npm run demo`: an agent works on a task, its worker is killed with SIGKILL in the middle of an answer, and another one finishes. Starts and
 * removes everything by itself; needs no key.
 */
import { readFile } from 'node:fs/promises';
import type { DurableEvent } from '@everruns/contract';
import { findingsOf, type Kill } from './demo/findings.ts';
import { createScreen, type Screen } from './demo/screen.ts';
import { startDemoStack, workerLoads, type DemoStack } from './demo/stack.ts';
import { agentDefinition, scriptedTask, SUMMARY_BEGINS, TASK } from './demo/story.ts';
import { watchSession } from './demo/watch.ts';
import { StartError } from './errors.ts';

const GIVE_UP_MS = 90_000;
/** Of the last answer, before the worker is killed. */
const WORDS_BEFORE_KILL = 12;

const screen = createScreen((text) => process.stdout.write(text));
process.exit(await runDemo().catch(explain));

async function runDemo(): Promise<number> {
  screen.note('Starting PostgreSQL, a control plane and two workers ...');
  let started = false;
  const stack = await startDemoStack(process.env, (line) => started && screen.note(`         (${line})`));
  started = true;
  const stop = (): void => void stack.stop().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  try {
    return await play(stack);
  } finally {
    await stack.stop();
  }
}

async function play(stack: DemoStack): Promise<number> {
  const agent = await post<{ id: string }>(stack, '/v1/agents', agentDefinition(stack.ledger));
  const session = await post<{ id: string }>(stack, '/v1/sessions', { agent_id: agent.id, model_id: await scriptedModel(stack) });
  screen.note(`\nThe task: ${TASK}\n`);
  const content = [{ type: 'text', text: scriptedTask() }];
  await post(stack, `/v1/sessions/${session.id}/messages`, { message: { content } });
  const kill = await watchAndKill(stack, session.id);
  screen.note('\nRead again from the log:\n');
  const findings = findingsOf(await readLog(stack, session.id), await readLedger(stack), kill);
  for (const { good, line } of findings) screen.note(`  ${good ? 'ok ' : 'BAD'} ${line}`);
  return findings.every((finding) => finding.good) ? 0 : 1;
}

/** The built-in model that plays the script in the message. */
async function scriptedModel({ api }: DemoStack): Promise<string> {
  const { data } = (await (await fetch(`${api}/v1/models`)).json()) as { data: { id: string; model_id: string; provider_type: string }[] };
  const found = data.find((model) => model.model_id === 'llmsim-script');
  if (found !== undefined) return found.id;
  const provider = await post<{ id: string }>({ api }, '/v1/providers', { name: 'simulated', provider_type: 'llmsim' });
  return (
    await post<{ id: string }>({ api }, `/v1/providers/${provider.id}/models`, { model_id: 'llmsim-script', display_name: 'Scripted' })
  ).id;
}

/** Shows the events until the session is idle; kills the worker that has the turn while the last answer is on its way. */
async function watchAndKill(stack: DemoStack, sessionId: string): Promise<Kill> {
  let kill: Kill | undefined;
  let answer = '';
  const signal = AbortSignal.timeout(GIVE_UP_MS);
  for await (const event of watchSession(stack.api, sessionId, signal)) {
    screen.show(event);
    if (event.type === 'output.message.started') answer = '';
    if (event.type === 'output.message.delta') answer += String(event.data['delta']);
    const midAnswer = answer.startsWith(SUMMARY_BEGINS) && answer.split(' ').length > WORDS_BEFORE_KILL;
    if (kill === undefined && midAnswer) kill = await killHolder(stack, screen);
    if (event.type === 'session.idled') break;
  }
  if (kill === undefined) throw new StartError('The turn ended before its worker could be killed.');
  return kill;
}

async function killHolder({ api, workers }: DemoStack, to: Screen): Promise<Kill> {
  const holder = (await workerLoads(api)).find(({ load }) => load > 0);
  const process = workers.get(holder?.id ?? '');
  if (holder === undefined || process?.pid === undefined) throw new StartError('No worker says that it holds the turn.');
  const { pid } = process;
  globalThis.process.kill(pid, 'SIGKILL');
  const atMs = Date.now();
  to.note(`\n  >>>  kill -9 ${pid}: ${holder.id}, which is writing this answer\n`);
  return { worker: holder.id, atMs };
}

async function readLog({ api }: DemoStack, sessionId: string): Promise<DurableEvent[]> {
  return ((await (await fetch(`${api}/v1/sessions/${sessionId}/events`)).json()) as { data: DurableEvent[] }).data;
}

async function readLedger({ ledger }: DemoStack): Promise<string[]> {
  const lines = (await readFile(ledger, 'utf8').catch(() => '')).split('\n'); // no file: no booking
  return lines.filter((line) => line !== '').map((line) => (JSON.parse(line) as { call: string }).call);
}

async function post<T>({ api }: Pick<DemoStack, 'api'>, path: string, body: unknown): Promise<T> {
  const answer = await fetch(`${api}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new StartError(`POST ${path} answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as T;
}

function explain(error: unknown): number {
  if (!(error instanceof StartError)) throw error;
  screen.note(error.message);
  return 1;
}
