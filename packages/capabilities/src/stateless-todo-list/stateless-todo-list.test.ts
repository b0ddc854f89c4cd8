import { describe, expect, it } from 'vitest';
import { runTool } from '../testing.ts';
import { statelessTodoList } from './stateless-todo-list.ts';

const run = (todos: unknown) => runTool(statelessTodoList, 'write_todos', { todos });
const todo = (status: string, content = 'Run the tests', activeForm = 'Running the tests') => ({ content, activeForm, status });

describe('write_todos', () => {
  it('gives back the list with its counts', async () => {
    const todos = [todo('completed'), todo('in_progress'), todo('pending'), todo('pending')];
    expect(await run(todos)).toEqual({ success: true, total_tasks: 4, pending: 2, in_progress: 1, completed: 1, todos });
  });

  it('takes an empty list', async () => {
    expect(await run([])).toEqual({ success: true, total_tasks: 0, pending: 0, in_progress: 0, completed: 0, todos: [] });
  });

  it.each([
    [[todo('pending')], /^No task is in progress/],
    [[todo('in_progress'), todo('in_progress')], /^2 tasks are in progress/],
  ])('warns of %j', async (todos, warning) => {
    expect(await run(todos)).toMatchObject({ success: true, warning: expect.stringMatching(warning) as unknown });
  });

  it('does not warn when all is done', async () => {
    expect(await run([todo('completed')])).not.toHaveProperty('warning');
  });

  it.each([
    [[todo('pending'), todo('pending', ' ')], /^todos\[1\]\.content must not be empty/],
    [[todo('pending', 'x', '')], /^todos\[0\]\.activeForm must not be empty/],
    [[todo('pending'), todo('done')], /todos\[1\]\.status" must be one of "pending", "in_progress", "completed", received "done"/],
    [[{ content: 'x', status: 'pending' }], /"todos\[0\]\.activeForm" is missing/],
    ['x', /"todos" must be array/],
    [undefined, /"todos" is missing/],
  ])('refuses %j and names the entry', async (todos, message) => {
    await expect(run(todos)).rejects.toThrow(message);
  });
});
