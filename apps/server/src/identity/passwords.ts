import { PASSWORD_LENGTH } from '@everruns/contract';
import { hash, verify } from '@node-rs/argon2';
import type { Options } from '@node-rs/argon2';

/** How passwords are kept: Argon2id, with the library's own parameters. */

export interface Passwords {
  hash(password: string): Promise<string>;
  /** Takes as long without a hash to compare with as with one, and is then false. */
  verify(kept: string | null, password: string): Promise<boolean>;
}

/** `cost` is for tests, which have many accounts and little time. */
export async function createPasswords(cost: Pick<Options, 'memoryCost' | 'timeCost'> = {}): Promise<Passwords> {
  // Argon2id is the library's default, and its enum has no value at run time.
  const nobodys = await hash('nobody has this password', cost);
  return {
    hash: (password) => hash(password, cost),
    async verify(kept, password) {
      // What is longer than any password can be is not worth hashing, whoever's it would be.
      const isRight = password.length <= MAX_UTF16 && (await verify(kept ?? nobodys, password));
      return isRight && kept !== null;
    },
  };
}

/** A character may be two units of UTF-16. */
const MAX_UTF16 = PASSWORD_LENGTH.max * 2;
