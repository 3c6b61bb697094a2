select id, name, role, labs, sha256, created_at, revoked_at
from api_tokens
where 1 = 1{filters}
order by created_at, id
