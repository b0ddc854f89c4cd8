import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createCapabilityRegistry } from '@everruns/agent/capability';
import { builtInCapabilities } from './index.ts';

const MAX_PROMPT_BYTES = 600;

describe('built-in capabilities', () => {
  it('have different ids', () => {
    expect(createCapabilityRegistry(builtInCapabilities).list()).toHaveLength(builtInCapabilities.length);
  });

  it('have different tool names, object schemas, and the tools that they announce', async () => {
    const names = new Set<string>();
    for (const capability of builtInCapabilities) {
      const { tools } = await capability.resolve({}, { session_id: 's', org_id: 'o' });
      expect(tools.map(({ definition }) => definition)).toEqual(capability.info.tools);
      for (const { definition } of tools) {
        expect(definition.parameters.type).toBe('object');
        // It steps back where tool_search is chosen too.
        if (capability.info.id === 'auto_tool_search') continue;
        expect(names.has(definition.name)).toBe(false);
        names.add(definition.name);
      }
    }
  });

  it('stay within their share of the prompt', async () => {
    for (const capability of builtInCapabilities) {
      const { prompt } = await capability.resolve({}, { session_id: 's', org_id: 'o' });
      expect(Buffer.byteLength(prompt ?? '')).toBeLessThanOrEqual(MAX_PROMPT_BYTES);
    }
  });
});

describe('what a tool thread loads', () => {
  it('is never the whole contract: its schemas would be most of it', () => {
    const folders = [import.meta.dirname, join(import.meta.dirname, '../../agent/src/tools')];
    const files = folders.flatMap((cwd) => globSync('**/*.ts', { cwd }).map((name) => join(cwd, name)));
    const sources = files.filter((name) => !/\.(test|contract)\.ts$/.test(name));
    expect(sources.length).toBeGreaterThan(20);
    const whole = /^(import|export) (?!type )[^;]*from '@everruns\/contract'/m;
    expect(sources.filter((name) => whole.test(readFileSync(name, 'utf8')))).toEqual([]);
  });
});
