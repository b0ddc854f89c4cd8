import { toolError, toolSuccess, type Capability, type JsonObject, type ToolResult, type ToolSpec } from '@everruns/agent/capability';
import { checkTodos, countTodos, TODO_STATUSES, todoWarning, type Todo } from './todos.ts';

const text = (description: string): JsonObject => ({ type: 'string', description });

const writeTodos: ToolSpec = {
  name: 'write_todos',
  display_name: 'Update tasks',
  category: 'Core',
  description: 'Writes the whole list of tasks for the work at hand. It replaces the list of the last call.',
  parameters: {
    type: 'object',
    additionalProperties: false,
    required: ['todos'],
    properties: {
      todos: {
        type: 'array',
        items: {
          type: 'object',
          required: ['content', 'activeForm', 'status'],
          properties: {
            content: text('What is to be done, as a command: "Run the tests"'),
            activeForm: text('The same while it is being done: "Running the tests"'),
            status: { type: 'string', enum: [...TODO_STATUSES] },
          },
        },
      },
    },
  },
  // Nothing is stored outside the conversation, so a repeated call changes nothing.
  hints: { readonly: true, concurrency_class: 'session_todos' },
  narration: { present: 'Updating the task list', past: 'Updated the task list' },
};

const PROMPT = `Keep a task list with write_todos when the work has three or more steps, or when the user gives several tasks; skip it for
anything that is done in one go. Write it before you begin. Keep exactly one task in_progress while you work, mark it completed as soon as
it is done and not before, and add what you discover on the way. Each call sends the whole list.`;

/** A task list that lives in the conversation alone. */
export const statelessTodoList: Capability = {
  info: {
    id: 'stateless_todo_list',
    name: 'Task Management',
    description: 'Lets the agent plan its work as a list of tasks and keep track of them.',
    status: 'available',
    category: 'Core',
    icon: 'list-todo',
    risk_level: 'low',
    tools: [writeTodos],
    system_prompt: PROMPT,
    features: [],
    dependencies: [],
  },
  resolve: () => ({
    prompt: PROMPT,
    tools: [{ definition: writeTodos, execute: (args) => writeTodosResult(args.todos as unknown as Todo[]) }],
  }),
};

function writeTodosResult(todos: Todo[]): ToolResult {
  const problem = checkTodos(todos);
  if (problem !== null) return toolError(problem);
  const counts = countTodos(todos);
  const warning = todoWarning(counts);
  const list = todos.map(({ content, activeForm, status }) => ({ content, activeForm, status }));
  return toolSuccess({ success: true, total_tasks: todos.length, ...counts, todos: list, ...(warning !== undefined && { warning }) });
}
