import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { Puzzle } from 'lucide-react';
import { useState } from 'react';
import { useMay } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { BlockList, listQuery } from './block-list.tsx';
import { SkillTextForm, SkillUpload } from './skill-form.tsx';
import { skillUsage, usageText } from './skill-usage.ts';

type Skill = Schemas['Skill'];

export function Skills() {
  const query = listQuery(useSearch({ from: '/skills' }));
  const found = useQuery({
    queryKey: scoped('skills', 'list', query),
    queryFn: async () => (await api.get('/v1/skills', { params: { query } })).data,
    placeholderData: keepPreviousData,
  });
  const { data: usage } = useQuery(skillUsage);
  const { manage } = useMay('skill');
  return (
    <BlockList
      path="/skills"
      title="Skills"
      about="Instructions with files that an agent takes up when a task needs them."
      icon={<Puzzle aria-hidden className="size-8" />}
      found={found}
      columns={[
        { title: 'Version', wide: true, cell: ({ version }: Skill) => version },
        { title: 'Used by', wide: true, cell: ({ id }: Skill) => usageText(usage?.[id]) },
      ]}
      empty={{
        title: 'No skill yet',
        text: 'A skill is a SKILL.md: a name, a sentence that says when to use it, and the steps. Write one here or upload a zip.',
      }}
      add={manage ? { verb: 'Add skill', form: <AddSkill /> } : null}
    />
  );
}

function AddSkill() {
  const [how, setHow] = useState<'text' | 'zip'>('text');
  const navigate = useNavigate();
  const done = ({ id }: Skill): void => void navigate({ to: '/skills/$id', params: { id } });
  return (
    <div className="flex flex-col gap-4">
      <div role="group" aria-label="How" className="flex gap-2">
        <Button aria-pressed={how === 'text'} kind={how === 'text' ? 'primary' : 'plain'} onClick={() => setHow('text')}>
          Write it
        </Button>
        <Button aria-pressed={how === 'zip'} kind={how === 'zip' ? 'primary' : 'plain'} onClick={() => setHow('zip')}>
          Upload a zip
        </Button>
      </div>
      {how === 'text' ? <SkillTextForm skill={null} text={null} onDone={done} /> : <SkillUpload onDone={done} />}
    </div>
  );
}
