import {
  CreateSkill,
  listOf,
  PolicyMap,
  SearchQuery,
  searchTokens,
  Skill,
  SkillCheck,
  SkillContent,
  SkillUsage,
  UpdateSkill,
} from '@everruns/contract';
import { z } from 'zod';
import { checkSkill } from '../../services/skills/skills.ts';
import type { SkillService } from '../../services/skills/skills.ts';
import type { Api } from '../types.ts';
import { acceptUploads, FORM_TYPES, uploadedFile } from '../uploads.ts';
import { idPath, NoContent, policiesOf } from './params.ts';

const tags = ['Skills'];
const path = '/v1/skills';
const one = `${path}/:id`;
const params = idPath('skill');
/** What an archive may become unpacked, should nothing in it shrink. */
const ARCHIVE_LIMIT_BYTES = 10 * 1_048_576;
/** A SKILL.md of the largest size with the escapes of JSON. */
const TEXT_LIMIT_BYTES = 2 * 1_048_576;

const ARCHIVE = { 200: { description: 'The skill as an archive', content: { 'application/zip': { schema: z.string() } } } };

export function skillRoutes(app: Api, skills: SkillService): void {
  const bodyLimit = TEXT_LIMIT_BYTES;
  app.get(
    path,
    { schema: { tags, operationId: 'listSkills', querystring: SearchQuery, response: { 200: listOf(Skill) } } },
    async ({ scope, query }) => ({
      data: await skills.list(scope, { tokens: searchTokens(query.search), includeArchived: query.include_archived ?? false }),
    }),
  );
  app.post(
    path,
    { bodyLimit, schema: { tags, operationId: 'createSkill', body: CreateSkill, response: { 201: Skill } } },
    async (request, reply) => reply.code(201).send(await skills.create(request.scope, request.body.skill_md)),
  );
  app.post(
    `${path}/validate`,
    {
      bodyLimit,
      schema: { tags, operationId: 'validateSkill', body: CreateSkill, response: { 200: SkillCheck } },
      config: { policy: 'org:skills:view' },
    },
    async (request) => checkSkill(request.body.skill_md),
  );
  app.get(`${path}/usage`, { schema: { tags, operationId: 'getSkillUsage', response: { 200: SkillUsage } } }, async (request) =>
    skills.usage(request.scope),
  );
  app.get(`${path}/config`, { schema: { tags, operationId: 'getSkillPolicies', response: { 200: PolicyMap } } }, async ({ scope }) =>
    policiesOf(scope, 'skill'),
  );
  uploadRoute(app, skills);
  singleRoutes(app, skills);
}

function uploadRoute(app: Api, skills: SkillService): void {
  void app.register(async (plain: Api) => {
    await acceptUploads(plain);
    plain.post(
      `${path}/upload`,
      {
        schema: { tags, operationId: 'uploadSkill', consumes: FORM_TYPES, response: { 201: Skill } },
      },
      async (request, reply) => {
        const { bytes } = await uploadedFile(request, ARCHIVE_LIMIT_BYTES);
        return reply.code(201).send(await skills.upload(request.scope, bytes));
      },
    );
  });
}

function singleRoutes(app: Api, skills: SkillService): void {
  app.get(
    one,
    { schema: { tags, operationId: 'getSkill', params, response: { 200: Skill } }, config: { cache: 'entity' } },
    async (request) => skills.get(request.scope, request.params.id),
  );
  app.get(
    `${one}/content`,
    { schema: { tags, operationId: 'getSkillContent', params, response: { 200: SkillContent } }, config: { cache: 'entity' } },
    async (request) => skills.content(request.scope, request.params.id),
  );
  app.get(`${one}/export`, { schema: { tags, operationId: 'exportSkill', params, response: ARCHIVE } }, async (request, reply) => {
    const { name, archive } = await skills.export(request.scope, request.params.id);
    reply.header('content-disposition', `attachment; filename="${name}.zip"`).header('x-content-type-options', 'nosniff');
    return reply
      .type('application/zip')
      .serializer((bytes: unknown) => bytes as string)
      .send(archive as unknown as string);
  });
  app.patch(
    one,
    { bodyLimit: TEXT_LIMIT_BYTES, schema: { tags, operationId: 'updateSkill', params, body: UpdateSkill, response: { 200: Skill } } },
    async (request) => skills.update(request.scope, request.params.id, request.body),
  );
  app.delete(one, { schema: { tags, operationId: 'archiveSkill', params, response: { 204: NoContent } } }, async (request, reply) => {
    await skills.archive(request.scope, request.params.id);
    return reply.code(204).send();
  });
  app.post(
    `${one}/delete`,
    { schema: { tags, operationId: 'deleteSkill', params, response: { 204: NoContent } }, config: { policy: 'org:skills:dangerous' } },
    async (request, reply) => {
      await skills.remove(request.scope, request.params.id);
      return reply.code(204).send();
    },
  );
}
