import {
  toolError,
  type Capability,
  type JsonObject,
  type Tool,
  type ToolContext,
  type ToolResult,
  type ToolSpec,
} from '@everruns/agent/capability';
import { ToolRefusal } from './places.ts';
import { grepFiles, listDirectory, readFile, readManyFiles, statFile } from './reading.ts';
import * as specs from './specs.ts';
import { deleteFile, editFile, writeFile } from './writing.ts';

const PROMPT = `Files of this session are below /workspace; they stay between turns, and other tools see the same ones. Relative paths begin there. Read a
file before you say what is in it or change it: edit_file needs the hash of what you read. What tools have too much to say is saved below
/workspace/outputs.`;

const tools: Tool[] = [
  tool(specs.readFile, readFile),
  tool(specs.readManyFiles, readManyFiles),
  tool(specs.writeFile, writeFile),
  tool(specs.editFile, editFile),
  tool(specs.listDirectory, listDirectory),
  tool(specs.grepFiles, grepFiles),
  tool(specs.deleteFile, deleteFile),
  tool(specs.statFile, statFile),
];

/** Files that the agent keeps: in the session's workspace, the same for every tool and over the API. */
export const sessionFileSystem: Capability = {
  info: {
    id: 'session_file_system',
    name: 'File System',
    description: 'Lets the agent read, write, edit, search and delete files in the workspace of its session.',
    status: 'available',
    category: 'File Operations',
    icon: 'folder',
    risk_level: 'low',
    tools: tools.map(({ definition }) => definition),
    system_prompt: PROMPT,
    features: ['file_system'],
    dependencies: [],
  },
  resolve: () => ({ prompt: PROMPT, tools }),
};

function tool(definition: ToolSpec, execute: (args: JsonObject, ctx: ToolContext) => Promise<ToolResult>): Tool {
  return {
    definition,
    async execute(args, ctx) {
      try {
        return await execute(args, ctx);
      } catch (error) {
        if (error instanceof ToolRefusal) return toolError(error.message);
        throw error;
      }
    },
  };
}
