insert into silences (id, host, lab, rule, span, over_at, reason, author, created_at, ended_at)
values {rows}
{keep id}
