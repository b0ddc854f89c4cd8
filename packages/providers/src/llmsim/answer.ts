import { ModelError, type ModelRequest } from '@everruns/agent/model';
import type { SimConfig, SimToolCall, SimTurn } from './config.ts';
import { answersAfter, lastUserIndex, lastUserText, toolResults } from './request.ts';
import { type ScriptedTurn, turnInConversation, turnInScript } from './script.ts';

type Mode = NonNullable<SimConfig['sim']>;

const MODES_BY_NAME: Readonly<Record<string, Mode>> = {
  script: 'script',
  echo: 'echo',
  lorem: 'lorem',
  fixed: 'fixed',
  empty: 'empty',
  error: 'error',
  'model-not-available': 'model_not_available',
};

const SIMULATED = 'This is a simulated answer: llmsim stands in for a language model, and no provider was called.';
const LOREM =
  'lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua'.split(' ');
const DEFAULT_LOREM_TOKENS = 100;
const TIME_TOOL = 'get_current_time';

/** Decides what to answer, from nothing but the request and the configuration. */
export function decideTurn(model: string, config: SimConfig, request: ModelRequest): ScriptedTurn {
  const mode = config.sim ?? modeOf(model);
  if (mode === 'script') {
    const scripted = config.script === undefined ? turnInConversation(request) : turnInScript(config.script, request);
    if (scripted !== undefined) return scripted;
  }
  const anchor = lastUserIndex(request);
  const turn = withToolCalls(turnOf(mode, config, request), config, request);
  return { turn: config.stall === true ? { ...turn, stall: true } : turn, index: answersAfter(request, anchor), anchor };
}

function modeOf(model: string): Mode {
  const name = model.replace(/^llmsim-/, '').replaceAll(/-latency|-ttft-\d+/g, '');
  return MODES_BY_NAME[name] ?? 'default';
}

function turnOf(mode: Mode, config: SimConfig, request: ModelRequest): SimTurn {
  switch (mode) {
    case 'fixed':
      return { text: config.text ?? SIMULATED };
    case 'echo':
      return { text: `${config.prefix ?? 'Echo: '}${lastUserText(request)}` };
    case 'lorem':
      return { text: lorem(config.tokens ?? DEFAULT_LOREM_TOKENS) };
    case 'sequence': {
      const responses = config.responses ?? [SIMULATED];
      return { text: responses[answersAfter(request, -1) % responses.length] ?? '' };
    }
    case 'empty':
      return {};
    case 'error':
      return { error: config.error ?? 'other' };
    case 'model_not_available':
      throw new ModelError('model_unavailable', 'The model is not available.', { status: 404 });
    case 'script':
    case 'default':
      return defaultTurn(request);
  }
}

/** Useful enough for a demonstration: uses the clock when asked for the time, and tells what tools answered. */
function defaultTurn(request: ModelRequest): SimTurn {
  const results = toolResults(request);
  const said = lastUserText(request);
  if (results.length > 0) {
    const told = results.map(
      ({ toolName, output }) => `${toolName}: ${output.type === 'error' ? output.text : JSON.stringify(output.value)}`,
    );
    return { text: `${SIMULATED} The tools answered:\n${told.join('\n')}` };
  }
  const offersClock = request.tools.some((tool) => tool.name === TIME_TOOL);
  if (offersClock && /\b(time|date|clock|today|hour)\b/i.test(said)) return { tool_calls: [{ name: TIME_TOOL, arguments: {} }] };
  return { text: said === '' ? SIMULATED : `${SIMULATED} You said: "${said}"` };
}

function lorem(tokens: number): string {
  return Array.from({ length: tokens }, (_, index) => LOREM[index % LOREM.length]).join(' ');
}

function withToolCalls(turn: SimTurn, config: SimConfig, request: ModelRequest): SimTurn {
  const calls = callsOf(config.tool_calls, request);
  return calls.length === 0 ? turn : { ...turn, tool_calls: calls };
}

/** Fixed and conditional calls are made once per user message: their results end the loop. */
function callsOf(configured: SimConfig['tool_calls'], request: ModelRequest): SimToolCall[] {
  switch (configured?.mode) {
    case 'fixed':
      return toolResults(request).length === 0 ? configured.calls : [];
    case 'sequence':
      return configured.steps[answersAfter(request, lastUserIndex(request))] ?? [];
    case 'conditional': {
      if (toolResults(request).length > 0) return [];
      const said = lastUserText(request);
      return configured.when.find(({ contains }) => said.includes(contains))?.calls ?? [];
    }
    case 'none':
    case undefined:
      return [];
  }
}
