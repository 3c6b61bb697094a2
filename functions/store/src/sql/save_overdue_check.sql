insert into overdue_checks (id, last_run_at, stalled_since, grace_from)
values {rows}
{upsert id}
    last_run_at = {new last_run_at}, stalled_since = {new stalled_since}, grace_from = {new grace_from}
