select id, last_run_at, stalled_since, grace_from from overdue_checks where id = 1 {for update}
