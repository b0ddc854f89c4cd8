import {
  Bot,
  Boxes,
  Brain,
  Building2,
  Gauge,
  KeyRound,
  KeySquare,
  Library,
  MailWarning,
  MessagesSquare,
  Plug,
  Puzzle,
  ScrollText,
  Server,
  Users,
  Wallet,
} from 'lucide-react';
import type { LucideIcon } from 'lucide-react';

interface Place {
  path: string;
  title: string;
  icon: LucideIcon;
  /** Only for operators of the installation. */
  platform?: true;
}

export interface Group {
  title: string;
  places: readonly Place[];
}

/** Everything that can be gone to: the side bar and the palette show it. */
export const NAVIGATION: readonly Group[] = [
  {
    title: 'Work',
    places: [
      { path: '/sessions', title: 'Sessions', icon: MessagesSquare },
      { path: '/agents', title: 'Agents', icon: Bot },
      { path: '/harnesses', title: 'Harnesses', icon: Boxes },
    ],
  },
  {
    title: 'Building blocks',
    places: [
      { path: '/mcp-servers', title: 'MCP servers', icon: Plug },
      { path: '/skills', title: 'Skills', icon: Puzzle },
      { path: '/knowledge', title: 'Knowledge', icon: Library },
      { path: '/memories', title: 'Memories', icon: Brain },
    ],
  },
  {
    title: 'Operations',
    places: [
      { path: '/operations', title: 'Health', icon: Gauge, platform: true },
      { path: '/operations/workers', title: 'Workers', icon: Server, platform: true },
      { path: '/operations/dead-letters', title: 'Dead letters', icon: MailWarning, platform: true },
    ],
  },
  {
    title: 'Settings',
    places: [
      { path: '/settings/providers', title: 'Providers and models', icon: KeyRound },
      { path: '/settings/members', title: 'Members', icon: Users },
      { path: '/settings/tokens', title: 'Tokens', icon: KeySquare },
      { path: '/settings/usage', title: 'Usage and budgets', icon: Wallet },
      { path: '/settings/audit-log', title: 'Audit log', icon: ScrollText },
      { path: '/settings/organization', title: 'Organization', icon: Building2 },
    ],
  },
];
