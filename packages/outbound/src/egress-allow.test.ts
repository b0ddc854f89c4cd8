import { describe, expect, it } from 'vitest';
import { LOOPBACK_RULES, parseEgressAllow } from './egress-allow.ts';

describe('EGRESS_ALLOW', () => {
  it('lists networks for one class or for all', () => {
    const allow = parseEgressAllow('provider=10.0.0.0/8, fd00::/8 ,mcp=192.168.7.9');
    expect(allow.address('provider', '10.1.2.3')).toBe(true);
    expect(allow.address('provider', '::ffff:10.1.2.3')).toBe(true);
    expect(allow.address('fetch', '10.1.2.3')).toBe(false);
    expect(allow.address('webhook', 'fd00::1')).toBe(true);
    expect(allow.address('mcp', '192.168.7.9')).toBe(true);
    expect(allow.address('mcp', '192.168.7.10')).toBe(false);
  });

  it('lists hosts, and everything below a domain', () => {
    const allow = parseEgressAllow('provider=Ollama.Internal,mcp=*.corp.example');
    expect(allow.host('provider', 'ollama.internal.')).toBe(true);
    expect(allow.host('mcp', 'ollama.internal')).toBe(false);
    expect(allow.host('mcp', 'tools.corp.example')).toBe(true);
    expect(allow.host('mcp', 'corp.example')).toBe(false);
    expect(allow.host('mcp', 'evilcorp.example')).toBe(false);
  });

  it('is nothing when empty or "none", and loopback in development', () => {
    expect(parseEgressAllow('').address('fetch', '127.0.0.1')).toBe(false);
    expect(parseEgressAllow('none').address('fetch', '127.0.0.1')).toBe(false);
    const dev = parseEgressAllow(LOOPBACK_RULES);
    expect([dev.address('fetch', '127.0.0.53'), dev.address('mcp', '::1'), dev.address('fetch', '10.0.0.1')]).toEqual([true, true, false]);
  });

  it.each(['db=10.0.0.0/8', '10.0.0.0/33', 'http://x', 'fetch=', '10.0.0.0/8/8', '*', 'a b'])('refuses %j', (text) =>
    expect(() => parseEgressAllow(text)).toThrow(`"${text}"`),
  );
});
