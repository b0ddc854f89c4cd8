export const TODO_STATUSES = ['pending', 'in_progress', 'completed'] as const;
export type TodoStatus = (typeof TODO_STATUSES)[number];

export interface Todo {
  content: string;
  activeForm: string;
  status: TodoStatus;
}

/** What is wrong with a list, naming the index of the entry; null when nothing is. */
export function checkTodos(todos: readonly Todo[]): string | null {
  for (const [index, { content, activeForm, status }] of todos.entries()) {
    if (content.trim() === '') return `todos[${index}].content must not be empty.`;
    if (activeForm.trim() === '') return `todos[${index}].activeForm must not be empty.`;
    if (!TODO_STATUSES.includes(status)) return `todos[${index}].status must be one of ${TODO_STATUSES.join(', ')}, received "${status}".`;
  }
  return null;
}

export function countTodos(todos: readonly Todo[]): Record<TodoStatus, number> {
  const counts = { pending: 0, in_progress: 0, completed: 0 };
  for (const { status } of todos) counts[status] += 1;
  return counts;
}

/** Advice on a list that is valid but not worked off as it should be. */
export function todoWarning({ pending, in_progress }: Record<TodoStatus, number>): string | undefined {
  if (in_progress > 1) return `${in_progress} tasks are in progress: work on one at a time.`;
  if (in_progress === 0 && pending > 0) return 'No task is in progress although some are pending: mark the one you are working on.';
  return undefined;
}
