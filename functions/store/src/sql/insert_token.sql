insert into api_tokens (id, name, role, labs, sha256, created_at) values {rows}
{keep id}
