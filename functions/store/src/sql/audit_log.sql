select id, at, actor, role, action, target, host, outcome, detail, request_id
from audit_log
where 1 = 1{filters}
order by at desc, id desc
limit ?
