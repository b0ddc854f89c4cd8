import { benchBudgets } from './budgets.ts';
import { benchContext } from './context.ts';
import { benchLogins } from './logins.ts';
import { benchRowSecurity } from './row-security.ts';
import { benchTurns } from './turns.ts';

const BENCHES: Record<string, (args: string[]) => Promise<number>> = {
  turns: benchTurns,
  budgets: benchBudgets,
  context: benchContext,
  'row-security': benchRowSecurity,
  logins: benchLogins,
};

const [name = '', ...args] = process.argv.slice(2);
const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
if (bench === undefined) {
  console.error(`Which benchmark? npm run bench ${Object.keys(BENCHES).join(' | ')}`);
  process.exitCode = 2;
} else {
  process.exitCode = await bench(args);
}
