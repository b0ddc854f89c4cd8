import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { queryClient, scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { TextArea } from '../../ui/fields.tsx';
import { ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { FileText } from './file-tree.tsx';

type File = Schemas['MemoryFile'];

interface MemoryFileProps {
  id: string;
  path: string;
  isReadonly: boolean;
}

/** The API wants paths without the first stroke. */
const pathOf = ({ id, path }: Pick<MemoryFileProps, 'id' | 'path'>) => ({ params: { path: { id, path: path.replace(/^\/+/, '') } } });

export function MemoryFileView(props: MemoryFileProps) {
  const { data, error, refetch } = useQuery({
    queryKey: scoped('memories', 'file', props.id, props.path),
    queryFn: async () => {
      const found = await api.get('/v1/memories/{id}/fs/{path}', pathOf(props));
      if (!('content' in found)) throw new Error('This is a directory.');
      return found;
    },
    refetchOnWindowFocus: false,
  });
  if (error !== null) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Skeleton />;
  if (props.isReadonly || data.encoding === 'base64')
    return <FileText path={props.path} text={data.encoding === 'base64' ? null : data.content} />;
  return <Editor key={data.content_hash} {...props} file={data} />;
}

function Editor({ file, ...props }: MemoryFileProps & { file: File }) {
  const [text, setText] = useState(file.content);
  const navigate = useNavigate();
  // What somebody else has written meanwhile is not overwritten: the hash says what was read.
  const save = useChange(
    () =>
      api.put('/v1/memories/{id}/fs/{path}', {
        ...pathOf(props),
        body: { content: text, ...(file.content_hash !== undefined && { expected_hash: file.content_hash }) },
      }),
    'memories',
  );
  const remove = useChange(() => api.delete('/v1/memories/{id}/fs/{path}', pathOf(props)));
  const error = save.error ?? remove.error;
  const act = (): void =>
    remove.mutate(undefined, {
      onSuccess: () => {
        void navigate({ to: '/memories/$id', params: { id: props.id }, search: {} });
        void queryClient.invalidateQueries({ queryKey: scoped('memories', 'files', props.id) });
      },
    });
  return (
    <div className="flex flex-col gap-3 p-3">
      <TextArea
        label={props.path}
        rows={16}
        spellCheck={false}
        className="font-mono text-[13px]"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      {error !== null && <ErrorNote error={error} />}
      <div className="flex justify-between gap-2">
        <Confirm
          title={`Delete ${props.path}?`}
          verb="Delete"
          act={act}
          trigger={(ask) => (
            <Button kind="danger" onClick={ask}>
              Delete
            </Button>
          )}
        >
          The file is gone for good.
        </Confirm>
        <Button kind="primary" disabled={text === file.content || save.isPending} onClick={() => save.mutate()}>
          Save
        </Button>
      </div>
    </div>
  );
}
