select sha256, name, role, labs, expires_at, used_at
from pairing_codes
where sha256 = ?
{for update}
