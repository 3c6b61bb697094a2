select id, host, lab, rule, span, reason, author, created_at, ended_at
from silences
where 1 = 1{filters}
order by created_at desc, id desc
limit ?
