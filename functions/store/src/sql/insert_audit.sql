insert into audit_log (id, at, actor, role, action, target, host, outcome, detail, request_id)
values {rows}
{keep id}
