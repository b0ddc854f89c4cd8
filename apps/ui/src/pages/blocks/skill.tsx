import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { Download } from 'lucide-react';
import { useChange, useMay } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Page, Section } from '../../ui/page.tsx';
import { download } from '../agents/download.ts';
import { BlockState } from './block-list.tsx';
import { FileText, FileTree } from './file-tree.tsx';
import { LifeActions } from './life-actions.tsx';
import { SkillTextForm } from './skill-form.tsx';
import { skillUsage, usageText } from './skill-usage.ts';

type Skill = Schemas['Skill'];
type Content = Schemas['SkillContent'];
const route = getRouteApi('/skills/$id');

export function SkillPage() {
  const { id } = route.useParams();
  const { data, error, refetch } = useQuery({
    queryKey: scoped('skills', 'one', id),
    queryFn: async () => {
      const params = { params: { path: { id } } };
      const [skill, content] = await Promise.all([api.get('/v1/skills/{id}', params), api.get('/v1/skills/{id}/content', params)]);
      return { skill, content };
    },
  });
  if (data !== undefined) return <Found {...data} />;
  return <Page title="Skill">{error !== null ? <ErrorNote error={error} retry={() => void refetch()} /> : <Skeleton />}</Page>;
}

function Found({ skill, content }: { skill: Skill; content: Content }) {
  const may = useMay('skill');
  const { data: usage } = useQuery(skillUsage);
  const params = { params: { path: { id: skill.id } } };
  const isText = skill.source_type === 'markdown';
  const exporting = useChange(async () =>
    download(
      isText ? 'SKILL.md' : `${skill.name}.zip`,
      (await api.get('/v1/skills/{id}/export', { ...params, parseAs: 'blob' })) as unknown as Blob,
    ),
  );
  return (
    <Page
      title={skill.name}
      about={
        <span className="flex flex-col gap-1.5">
          <span>{skill.description}</span>
          <span className="flex flex-wrap items-center gap-2">
            <Link to="/skills" className="text-accent hover:underline">
              All skills
            </Link>
            <BlockState status={skill.status} />
            <span>version {skill.version}</span>
            <span>used by {usageText(usage?.[skill.id])}</span>
          </span>
        </span>
      }
      actions={
        <>
          {exporting.error !== null && <ErrorNote error={exporting.error} />}
          <Button icon={<Download aria-hidden className="size-4" />} disabled={exporting.isPending} onClick={() => exporting.mutate()}>
            Export
          </Button>
          <LifeActions
            things="skills"
            path="/skills"
            name={skill.name}
            isArchived={skill.status === 'archived'}
            may={may}
            archive={() => api.delete('/v1/skills/{id}', params)}
            restore={() => api.patch('/v1/skills/{id}', { ...params, body: { status: 'active' } })}
            destroy={() => api.post('/v1/skills/{id}/delete', params)}
            warning="Its text and files are gone for good, and agents that use it go on without it."
          />
        </>
      }
    >
      {may.manage && isText && skill.status === 'active' ? (
        <SkillTextForm key={skill.updated_at} skill={skill} text={content.skill_md} onDone={() => undefined} />
      ) : (
        <ReadOnlySkill content={content} />
      )}
    </Page>
  );
}

function ReadOnlySkill({ content }: { content: Content }) {
  const { file } = route.useSearch();
  const files = [{ path: 'SKILL.md', content: content.skill_md, encoding: undefined }, ...content.files];
  const chosen = files.find(({ path }) => path === file) ?? files[0];
  return (
    <Section title="Content">
      <FileTree files={files} chosen={chosen?.path} to={(path) => <Link to="." search={{ file: path }} resetScroll={false} />}>
        {chosen !== undefined && <FileText path={chosen.path} text={chosen.encoding === 'base64' ? null : chosen.content} />}
      </FileTree>
    </Section>
  );
}
