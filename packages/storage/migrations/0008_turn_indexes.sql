-- Where turns begin, and where they end: each is looked for alone, a page of turns reads only its own rows, and counting turns touches no
-- other event. Together they have the entries of the one index before.
create index events_turn_starts on events (session_id, seq) where type = 'turn.started';
create index events_turn_ends on events (session_id, seq) where type in ('turn.completed', 'turn.failed', 'turn.cancelled', 'turn.sealed');
drop index events_turns;
