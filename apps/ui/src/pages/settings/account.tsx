import { useQuery } from '@tanstack/react-query';
import { Download } from 'lucide-react';
import type { ReactNode } from 'react';
import { useState } from 'react';
import { useCaller, useMembership } from '../../data/access.ts';
import { useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { authConfig } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Confirm, Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/fields.tsx';
import { ErrorNote } from '../../ui/notes.tsx';
import { Card, Section } from '../../ui/page.tsx';
import { download } from '../agents/download.ts';
import { leaveOrganization, organizationId } from './queries.ts';

/** What cannot be taken back stands at the end. */
export function Account() {
  const { data: config } = useQuery(authConfig);
  const save = useChange(async () => {
    const data = await api.get('/v1/users/me/export');
    download(`everruns-${data.exported_at.slice(0, 10)}.json`, JSON.stringify(data, null, 2));
  });
  // Without accounts there is one user, who is everybody.
  const hasAccounts = config !== undefined && config.mode !== 'none';
  return (
    <Section title="Your account">
      <Card className="divide-y divide-line !p-0">
        <Row
          title="Export your data"
          about="Your profile, memberships, tokens (never their values) and logins, as one JSON file."
          action={
            <Button icon={<Download aria-hidden className="size-4" />} disabled={save.isPending} onClick={() => save.mutate()}>
              Export
            </Button>
          }
          error={save.error}
        />
        {hasAccounts && <Leave />}
        {hasAccounts && <DeleteAccount />}
      </Card>
    </Section>
  );
}

function Row({ title, about, action, error }: { title: string; about: string; action: ReactNode; error: unknown }) {
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3.5">
      <div className="min-w-0 grow basis-72 text-sm">
        <h3 className="font-medium">{title}</h3>
        <p className="text-ink-soft">{about}</p>
      </div>
      {action}
      {error != null && (
        <div className="basis-full">
          <ErrorNote error={error} />
        </div>
      )}
    </div>
  );
}

function Leave() {
  const caller = useCaller();
  const membership = useMembership();
  const leave = useChange(async (user_id: string) => {
    await api.delete('/v1/orgs/{id}/members/{user_id}', { params: { path: { id: await organizationId(), user_id } } });
    leaveOrganization();
  });
  if (caller === undefined || membership === undefined) return null;
  return (
    <Row
      title={`Leave ${membership.name}`}
      about="You lose access at once. Your agents and sessions stay with the others. The last owner cannot leave."
      error={leave.error}
      action={
        <Confirm
          title={`Leave ${membership.name}?`}
          verb="Leave"
          keep="Stay"
          act={() => leave.mutate(caller.id)}
          trigger={(ask) => (
            <Button kind="danger" onClick={ask}>
              Leave
            </Button>
          )}
        >
          To come back you need a new invitation.
        </Confirm>
      }
    />
  );
}

function DeleteAccount() {
  const caller = useCaller();
  const [isOpen, setOpen] = useState(false);
  const [typed, setTyped] = useState('');
  const remove = useChange(async () => {
    await api.delete('/v1/users/me');
    window.location.assign('/login');
  });
  if (caller === undefined) return null;
  const isMeant = typed.trim().toLowerCase() === caller.email.toLowerCase();
  return (
    <>
      <Row
        title="Delete your account"
        about="Your profile, logins and tokens are deleted for good, with organizations that nobody else is in."
        error={null}
        action={
          <Button kind="danger" onClick={() => setOpen(true)}>
            Delete account
          </Button>
        }
      />
      <Dialog title="Delete your account?" open={isOpen} onClose={() => setOpen(false)}>
        <form
          className="flex flex-col gap-4"
          onSubmit={(event) => {
            event.preventDefault();
            if (isMeant) remove.mutate();
          }}
        >
          <p className="text-sm text-ink-soft">
            This cannot be taken back. Organizations in which you are alone are closed; in others, what you made stays with them.
          </p>
          <TextField
            label={`Type ${caller.email} to go on`}
            autoComplete="off"
            value={typed}
            onChange={({ target }) => setTyped(target.value)}
          />
          {remove.error !== null && <ErrorNote error={remove.error} />}
          <div className="flex justify-end gap-2">
            <Button onClick={() => setOpen(false)}>Keep it</Button>
            <Button type="submit" kind="danger" disabled={!isMeant || remove.isPending}>
              Delete account
            </Button>
          </div>
        </form>
      </Dialog>
    </>
  );
}
