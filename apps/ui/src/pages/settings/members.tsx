import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { UserMinus, UserPlus, Users } from 'lucide-react';
import { useCaller, useMembership, usePermission } from '../../data/access.ts';
import { useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { Button } from '../../ui/button.tsx';
import { Confirm, Dialog } from '../../ui/dialog.tsx';
import { SelectField } from '../../ui/fields.tsx';
import { Badge, Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Page, Section } from '../../ui/page.tsx';
import { Table } from '../../ui/table.tsx';
import { Ago } from '../../ui/time.tsx';
import { InviteForm } from './invite-form.tsx';
import { invitations, members, organizationId } from './queries.ts';
import type { Invitation, Member } from './queries.ts';
import { grantable, isWithin, roleText } from './roles.ts';
import type { Role } from './roles.ts';

const route = getRouteApi('/settings/members');

export function Members() {
  const { invite } = route.useSearch();
  const navigate = route.useNavigate();
  const mayManage = usePermission('org:members:manage');
  const open = (isOpen: boolean): void => void navigate({ search: isOpen ? { invite: true } : {}, replace: true });
  return (
    <Page
      title="Members"
      about="Who works in this organization, and what each may do."
      actions={
        mayManage && (
          <Button kind="primary" icon={<UserPlus aria-hidden className="size-4" />} onClick={() => open(true)}>
            Invite
          </Button>
        )
      }
    >
      <People mayManage={mayManage} />
      {mayManage && <Pending />}
      {mayManage && (
        <Dialog title="Invite" open={invite === true} onClose={() => open(false)}>
          <InviteForm onDone={() => open(false)} />
        </Dialog>
      )}
    </Page>
  );
}

function People({ mayManage }: { mayManage: boolean }) {
  const { data, error, refetch } = useQuery(members);
  const caller = useCaller();
  const own = useMembership()?.role;
  const change = useChange(
    async ({ user_id, role }: { user_id: string; role: Role }) =>
      api.patch('/v1/orgs/{id}/members/{user_id}', { params: { path: { id: await organizationId(), user_id } }, body: { role } }),
    'members',
  );
  const remove = useChange(
    async (user_id: string) => api.delete('/v1/orgs/{id}/members/{user_id}', { params: { path: { id: await organizationId(), user_id } } }),
    'members',
  );
  const problem = error ?? change.error ?? remove.error;
  const canTouch = ({ user_id, role }: Member): boolean => mayManage && user_id !== caller?.id && isWithin(own, role);
  const columns = [
    { title: 'Name', cell: (member: Member) => <Person member={member} isSelf={member.user_id === caller?.id} /> },
    {
      title: 'Role',
      cell: (member: Member) =>
        canTouch(member) ? (
          <div className="w-28">
            <SelectField
              label={`Role of ${member.name}`}
              hideLabel
              value={change.isPending && change.variables.user_id === member.user_id ? change.variables.role : member.role}
              choices={grantable(own)}
              onChange={({ target }) => change.mutate({ user_id: member.user_id, role: target.value as Role })}
            />
          </div>
        ) : (
          roleText(member.role)
        ),
    },
    { title: 'Since', wide: true, cell: ({ created_at }: Member) => <Ago at={created_at} /> },
    {
      title: '',
      align: 'right' as const,
      cell: (member: Member) => canTouch(member) && <Remove member={member} act={() => remove.mutate(member.user_id)} />,
    },
  ];
  return (
    <div className="mb-8">
      {problem !== null && (
        <div className="mb-4">
          <ErrorNote error={problem} {...(error !== null && { retry: () => void refetch() })} />
        </div>
      )}
      {data === undefined && error === null && <Skeleton />}
      {data?.length === 0 && (
        <Empty icon={<Users aria-hidden className="size-8" />} title="Nobody has an account here">
          This installation asks nobody who they are. Where accounts are on, the members of the organization stand here.
        </Empty>
      )}
      {data !== undefined && data.length > 0 && <Table label="Members" rows={data} rowKey={({ user_id }) => user_id} columns={columns} />}
      <p role="status" className="mt-2 min-h-5 text-[13px] text-ink-soft">
        {change.isPending ? 'Saving' : change.isSuccess ? `${change.data.name} is ${roleText(change.data.role).toLowerCase()} now.` : ''}
      </p>
    </div>
  );
}

function Person({ member: { name, email }, isSelf }: { member: Member; isSelf: boolean }) {
  return (
    <div className="min-w-32">
      <p className="flex flex-wrap items-center gap-2 font-medium">
        {name} {isSelf && <Badge tone="accent">you</Badge>}
      </p>
      <p className="text-[13px] break-all text-ink-soft">{email}</p>
      {isSelf && (
        <Link to="/settings/organization" className="text-[13px] text-accent hover:underline">
          Your profile
        </Link>
      )}
    </div>
  );
}

function Remove({ member: { name }, act }: { member: Member; act: () => void }) {
  return (
    <Confirm
      title={`Remove ${name}?`}
      verb="Remove"
      keep="Not now"
      act={act}
      trigger={(ask) => (
        <Button
          kind="danger"
          square
          aria-label={`Remove ${name}`}
          title="Remove"
          icon={<UserMinus aria-hidden className="size-4" />}
          onClick={ask}
        />
      )}
    >
      {name} loses access to this organization at once, with the tokens for it. Agents and sessions stay. You can invite the same address
      again.
    </Confirm>
  );
}

function Pending() {
  const { data, error, refetch } = useQuery(invitations);
  const withdraw = useChange(
    async (invite_id: string) =>
      api.delete('/v1/orgs/{id}/invites/{invite_id}', { params: { path: { id: await organizationId(), invite_id } } }),
    'members',
  );
  const problem = error ?? withdraw.error;
  return (
    <Section title="Invitations" about="Who was invited and has not come yet.">
      {problem !== null && <ErrorNote error={problem} retry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton rows={1} />}
      {data?.length === 0 && <p className="text-sm text-ink-faint">No invitation is open.</p>}
      {data !== undefined && data.length > 0 && (
        <Table
          label="Invitations"
          rows={data}
          rowKey={({ id }) => id}
          columns={[
            { title: 'Address', cell: ({ email }: Invitation) => <span className="font-medium break-all">{email}</span> },
            { title: 'Role', cell: ({ role }: Invitation) => roleText(role) },
            { title: 'Invited', wide: true, cell: ({ created_at }: Invitation) => <Ago at={created_at} /> },
            { title: 'Ends', wide: true, cell: ({ expires_at }: Invitation) => <Ago at={expires_at} /> },
            {
              title: '',
              align: 'right' as const,
              cell: ({ id, email }: Invitation) => (
                <Confirm
                  title="Withdraw the invitation?"
                  verb="Withdraw"
                  act={() => withdraw.mutate(id)}
                  trigger={(ask) => (
                    <Button kind="danger" aria-label={`Withdraw the invitation of ${email}`} onClick={ask}>
                      Withdraw
                    </Button>
                  )}
                >
                  The link that {email} got ends at once.
                </Confirm>
              ),
            },
          ]}
        />
      )}
    </Section>
  );
}
