import { describe, expect, it } from 'vitest';
import { specialRangeOf } from './addresses.ts';
import { checkUrl } from './check.ts';
import { parseEgressAllow } from './egress-allow.ts';

const nothing = parseEgressAllow('');
const refusalOf = (address: string) => checkUrl(new URL(address), { kind: 'fetch', allow: nothing })?.message ?? null;

describe('an address', () => {
  it.each([
    '0.0.0.0',
    '10.0.0.1',
    '100.64.0.1',
    '100.127.255.255',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.170',
    '192.168.1.1',
    '198.18.0.1',
    '198.19.255.255',
    '203.0.113.7',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::127.0.0.1',
    '::ffff:10.0.0.1',
    '::ffff:7f00:1',
    '0:0:0:0:0:ffff:a9fe:a9fe',
    '64:ff9b::10.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '3fff::1',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'fec0::1',
    'ff02::1',
  ])('%s is not public', (address) => expect(specialRangeOf(address)).not.toBeNull());

  it.each([
    '1.1.1.1',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.0.1.1',
    '223.255.255.255',
    '2606:4700::1111',
    '2a00:1450:4001::1',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
  ])('%s is public', (address) => expect(specialRangeOf(address)).toBeNull());
});

describe('a URL', () => {
  it.each([
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0177.0.0.1/',
    'http://127.1/',
    'http://0/',
    'http://127.0.0.1./',
    'http://１２７.0.0.1/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[0:0:0:0:0:ffff:7f00:1]/',
    'http://[::ffff:a9fe:a9fe]/latest/meta-data',
    'http://169.254.169.254/',
    'https://[fd00::1]:8443/x',
  ])('%s is refused in whatever form it is written', (address) => expect(refusalOf(address)).toContain('not in the public network'));

  it.each([
    ['http://me@example.com/', 'user name'],
    ['http://me:secret@example.com/', 'user name'],
    ['ftp://example.com/', 'Only http and https'],
    ['file:///etc/passwd', 'Only http and https'],
    ['data:text/plain,x', 'Only http and https'],
  ])('%s is refused', (address, why) => {
    expect(refusalOf(address)).toContain(why);
    expect(refusalOf(address)).not.toContain('secret');
  });

  it.each(['https://example.com/', 'http://8.8.8.8/', 'http://[2606:4700::1111]/'])('%s may be asked for', (address) =>
    expect(refusalOf(address)).toBeNull(),
  );
});
