import { describe, expect, it } from 'vitest';
import { Entrance } from './entrance.ts';
import type { LinkProxy } from './link-proxy.ts';

const servers = ['http://a', 'http://b'].map((url) => ({ url }));

/** Goes elsewhere when its way is refused, as a worker does. */
function worker(attachedTo: number) {
  const links = servers.map((_, at) => {
    const link = {
      attached: at === attachedTo,
      refused: false,
      refuse(refuses: boolean) {
        link.refused = refuses;
        if (!refuses || !link.attached) return;
        link.attached = false;
        for (const other of links) if (!other.refused) other.attached = true;
      },
    };
    return link;
  });
  return { links: links as unknown as LinkProxy[] };
}

describe('an entrance', () => {
  it('leads to the next server when the present one does not answer, once for all who notice', () => {
    const entrance = new Entrance({ servers, workers: [] });
    const { url } = entrance;
    entrance.leave(url);
    entrance.leave(url);
    expect(entrance.url).toBe('http://b');
    entrance.leave(entrance.url);
    expect(entrance.url).toBe('http://a');
  });

  it.each([
    [[0, 0], 1],
    [[1, 1], 0],
    [[0, 1, 1], 0],
  ])('with workers at %j leads away from all of them, to %d', async (attached, at) => {
    const workers = attached.map(worker);
    const entrance = new Entrance({ servers, workers });
    await entrance.awayFromWorkers();
    expect(entrance.at).toBe(at);
    expect(workers.map(({ links }) => links.findIndex((link) => link.attached))).toEqual(workers.map(() => 1 - at));
  });

  it('stays where it is when there is no other server', async () => {
    const entrance = new Entrance({ servers: servers.slice(0, 1), workers: [worker(0)] });
    await entrance.awayFromWorkers();
    expect(entrance.url).toBe('http://a');
  });
});
