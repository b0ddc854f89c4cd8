import { z } from 'zod';
import { idParam, Locale, publicId, ShortText, Slug, StringMap, Timestamp, Timezone } from './common.ts';

export const Organization = z
  .object({
    id: publicId('organization'),
    name: z.string(),
    default_harness_id: publicId('harness').optional(),
    base_harness_id: publicId('harness').optional(),
    default_model_id: publicId('model').optional(),
    default_provider_per_service: StringMap,
    onboarding_completed_at: Timestamp.optional(),
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'Organization' });
export type Organization = z.infer<typeof Organization>;

export const UpdateOrganization = z
  .object({
    name: ShortText.min(1).optional(),
    default_harness_id: idParam('harness').nullish(),
    default_harness_name: Slug.nullish(),
    base_harness_id: idParam('harness').optional(),
    default_model_id: idParam('model').nullish(),
    default_provider_per_service: StringMap.optional(),
  })
  .meta({ id: 'UpdateOrganization' });
export type UpdateOrganization = z.infer<typeof UpdateOrganization>;

export const User = z
  .object({
    id: z.string(),
    email: z.string(),
    name: z.string(),
    roles: z.array(z.string()),
    auth_provider: z.string().optional(),
    avatar_url: z.string().optional(),
    created_at: Timestamp,
  })
  .meta({ id: 'User' });
export type User = z.infer<typeof User>;

export const UpdateUser = z
  .object({ name: ShortText.min(1).optional(), locale: Locale.nullish(), timezone: Timezone.nullish() })
  .meta({ id: 'UpdateUser' });
export type UpdateUser = z.infer<typeof UpdateUser>;

export const UserProfile = z.object({ id: z.string(), email: z.string(), name: z.string(), avatar_url: z.string().optional() });

export const CurrentUser = z
  .object({
    id: z.string(),
    email: z.string(),
    name: z.string(),
    roles: z.array(z.string()),
    avatar_url: z.string().optional(),
    email_verified: z.boolean().optional(),
    organizations: z.array(z.object({ public_id: z.string(), name: z.string(), role: z.string() })),
    is_platform_user: z.boolean().describe('May look at and steer the installation itself'),
    permissions: z.array(z.string()).describe('In the chosen organization, within the scopes of the token'),
  })
  .meta({ id: 'CurrentUser' });
export type CurrentUser = z.infer<typeof CurrentUser>;

/** Which switches of an organization are on, by name. */
export const FeatureFlags = z.record(z.string(), z.boolean()).meta({ id: 'FeatureFlags' });
export const UpdateFeatureFlags = z.object({ flags: z.record(z.string(), z.boolean()) }).meta({ id: 'UpdateFeatureFlags' });
export const FeatureFlagSettings = z
  .object({
    flags: z.array(
      z.object({
        name: z.string(),
        label: z.string(),
        description: z.string(),
        experimental: z.boolean(),
        system_enabled: z.boolean(),
        org_enabled: z.boolean(),
        effective: z.boolean(),
      }),
    ),
  })
  .meta({ id: 'FeatureFlagSettings' });

export const SwitchOrg = z.object({ org_id: idParam('organization') });
