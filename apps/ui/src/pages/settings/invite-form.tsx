import { useState } from 'react';
import { useMembership } from '../../data/access.ts';
import { fieldError, useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { Button } from '../../ui/button.tsx';
import { CopyOnce } from '../../ui/copy-once.tsx';
import { SelectField, TextField } from '../../ui/fields.tsx';
import { ErrorNote } from '../../ui/notes.tsx';
import { organizationId } from './queries.ts';
import type { Invitation } from './queries.ts';
import { grantable, ROLES } from './roles.ts';
import type { Role } from './roles.ts';

export function InviteForm({ onDone }: { onDone: () => void }) {
  const own = useMembership()?.role;
  const [email, setEmail] = useState('');
  const [role, setRole] = useState<Role>('member');
  const invite = useChange(
    async () =>
      api.post('/v1/orgs/{id}/invites', { params: { path: { id: await organizationId() } }, body: { email: email.trim(), role } }),
    'members',
  );
  if (invite.data !== undefined) return <Invited invitation={invite.data} onDone={onDone} />;
  const problems = { email: fieldError(invite.error, 'email'), role: fieldError(invite.error, 'role') };
  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        invite.mutate();
      }}
    >
      <TextField
        label="E-mail address"
        type="email"
        required
        autoComplete="off"
        value={email}
        error={problems.email}
        onChange={({ target }) => setEmail(target.value)}
      />
      <SelectField
        label="Role"
        value={role}
        choices={grantable(own)}
        hint={ROLES.find(({ value }) => value === role)?.about}
        error={problems.role}
        onChange={({ target }) => setRole(target.value as Role)}
      />
      {invite.error !== null && problems.email === undefined && problems.role === undefined && <ErrorNote error={invite.error} />}
      <div className="flex justify-end gap-2">
        <Button onClick={onDone}>Cancel</Button>
        <Button kind="primary" type="submit" disabled={invite.isPending}>
          Invite
        </Button>
      </div>
    </form>
  );
}

/** Installations that send no mail tell the link once, here. */
function Invited({ invitation: { email, url }, onDone }: { invitation: Invitation; onDone: () => void }) {
  return (
    <div className="flex flex-col gap-4">
      {url === undefined ? (
        <p role="status" className="text-sm">
          An e-mail with the link is on its way to <strong>{email}</strong>. It is good for seven days.
        </p>
      ) : (
        <>
          <p role="status" className="text-sm">
            This installation sends no mail. Give this link to <strong>{email}</strong>: it is shown only now and good for seven days.
          </p>
          <CopyOnce label="Invitation link" text={url} />
        </>
      )}
      <div className="flex justify-end">
        <Button onClick={onDone}>Done</Button>
      </div>
    </div>
  );
}
