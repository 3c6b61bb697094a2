insert into api_tokens (id, name, role, sha256, created_at) values {rows}
{keep id}
