import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { scoped } from '../../data/queries.ts';
import { ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Page } from '../../ui/page.tsx';
import { EMPTY_DRAFT } from './draft.ts';
import { EditorForm } from './editor-form.tsx';
import { CALLS } from './kinds.ts';
import type { Kind } from './kinds.ts';
import type { EditorSearch } from './routes.ts';
import { WORDS } from './words.ts';

const agentRoute = getRouteApi('/agents/$idOrName');
const harnessRoute = getRouteApi('/harnesses/$idOrName');

export const NewAgent = () => <EditorForm kind="agent" entity={null} given={EMPTY_DRAFT} search={{}} />;
export const NewHarness = () => <EditorForm kind="harness" entity={null} given={EMPTY_DRAFT} search={{}} />;

export function AgentEditor() {
  const { idOrName } = agentRoute.useParams();
  return <Loaded kind="agent" idOrName={idOrName} search={agentRoute.useSearch()} />;
}

export function HarnessEditor() {
  const { idOrName } = harnessRoute.useParams();
  return <Loaded kind="harness" idOrName={idOrName} search={harnessRoute.useSearch()} />;
}

function Loaded({ kind, idOrName, search }: { kind: Kind; idOrName: string; search: EditorSearch }) {
  const { things, read, draftOf } = CALLS[kind];
  const { data, error, refetch } = useQuery({
    queryKey: scoped(things, 'one', idOrName),
    queryFn: () => read(idOrName),
    // What is being edited does not change underneath.
    refetchOnWindowFocus: false,
  });
  if (error !== null || data === undefined) {
    return (
      <Page title={WORDS[kind].title}>
        {error !== null ? <ErrorNote error={error} retry={() => void refetch()} /> : <Skeleton rows={8} />}
      </Page>
    );
  }
  return <EditorForm key={data.id} kind={kind} entity={data} given={draftOf(data)} search={search} />;
}
