"""Rights against the calls that the code makes, both ways: none is missing, none is too many."""

import re
from fnmatch import fnmatchcase

from checks import check
from template import ROOT, listed

BUCKET = "arn:aws:s3:::BucketName"
HOST = f"{BUCKET}/stations/LAB-WS01/heartbeat.json"
# A call of an SDK → what it needs.
CALLS = {
    "get_object": {"s3:GetObject", "s3:GetObjectVersion"},
    "head_object": {"s3:GetObject"},
    "head_bucket": {"s3:ListBucket"},
    # Without it a missing object is a 403, which reads as a bucket that is closed.
    "list_objects_v2": {"s3:ListBucket"},
    "copy_object": {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"},
    "put_object": {"s3:PutObject"},
    "list_object_versions": {"s3:ListBucketVersions"},
    "get_secret_value": {"secretsmanager:GetSecretValue"},
    "receive_message": {"sqs:ReceiveMessage"},
    "delete_message_batch": {"sqs:DeleteMessage"},
    "change_message_visibility_batch": {"sqs:ChangeMessageVisibility"},
    "send_message_batch": {"sqs:SendMessage"},
    "get_queue_attributes": {"sqs:GetQueueAttributes"},
    "get_queue_url": {"sqs:GetQueueUrl"},
    "send_message": {"sqs:SendMessage"},
    "publish": {"sns:Publish"},
}
INGEST = {"get_object", "head_object", "head_bucket", "list_objects_v2", "copy_object", "get_secret_value", "send_message"}
MADE = {
    "IngestFunction": INGEST,
    # It ingests what it finds when it looks.
    "MissingHeartbeatFunction": INGEST,
    "NotifyFunction": {"get_secret_value", "publish"},
}
# `up` over this bucket: it compares versions, takes from the queue itself, brings dead letters back, and puts what it polled. Its database has a URL.
LAB_SERVER = INGEST - {"get_secret_value", "send_message"} | {
    "list_object_versions", "receive_message", "delete_message_batch", "change_message_visibility_batch", "send_message_batch",
    "get_queue_attributes", "get_queue_url", "put_object",
}  # fmt: skip
# Rights that no call of ours needs, but the Lambda service in our name.
SERVICE = {
    "logs:CreateLogStream", "logs:PutLogEvents",
    "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
}  # fmt: skip
TAKES = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
# (resource, Sid) whose `Resource` is `*`, each with the reason.
EVERYWHERE = {
    (role, sid): reason
    for role in ("IngestRole", "MissingHeartbeatRole", "NotifyRole")
    for sid, reason in {
        "AttachToNetwork": "network interfaces are made and described before they have a name; Lambda asks for the right everywhere",
        "ButNotTheCode": "takes the same right from the code again",
    }.items()
}


def matches(pattern, text):
    # `[` is no wildcard of IAM.
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def holds(condition, context):
    """Whether the conditions of a statement are met. An unknown operator is an error: it must not pass unseen."""
    for operator, pairs in condition.items():
        for key, wanted in pairs.items():
            known = key in context
            if operator == "StringLikeIfExists":
                met = not known or any(matches(one, context[key]) for one in listed(wanted))
            elif operator in ("Bool", "StringEquals", "ArnEquals"):
                met = known and str(context[key]) == str(wanted)
            else:
                raise ValueError(f"condition {operator} is not understood")
            if not met:
                return False
    return True


def allows(template, statements, action, resource, context):
    """What IAM would answer by these statements alone."""
    verdict = False
    for one in statements:
        # A policy variable of IAM, which stays after CloudFormation's own are filled in.
        resources = [template.text(value).replace("${aws:username}", context.get("aws:username", "")) for value in listed(one["Resource"])]
        hit = any(matches(pattern, action) for pattern in listed(one["Action"])) and any(matches(pattern, resource) for pattern in resources)
        if not hit or not holds({op: {k: template.text(v) if isinstance(v, dict) else v for k, v in pairs.items()} for op, pairs in one.get("Condition", {}).items()}, context):
            continue
        if one["Effect"] == "Deny":
            return False
        verdict = True
    return verdict


def actions(statements):
    return {action for one in statements if one["Effect"] == "Allow" for action in listed(one["Action"])}


def calls_in_code():
    """Calls of the SDKs in what the functions are made of: the method before the first parameter that names a thing."""
    found = {}
    for folder in ("pipeline/src", "ingest/src", "missing-heartbeat/src", "notify/src", "notifier/src", "stationkeeper/src/up"):
        for path in sorted((ROOT / "functions" / folder).glob("**/*.rs")):
            text = path.read_text(encoding="utf-8")
            for call in re.findall(r"\.([a-z_0-9]+)\(\)\s*\.(?:bucket|queue_url|queue_name|secret_id|topic_arn)\(", text):
                found[call] = path.relative_to(ROOT)
    return found


@check("every call that the code makes is in the table, and the table has no call that nothing makes")
def table(_template):
    found, known = calls_in_code(), LAB_SERVER.union(*MADE.values())
    if not found:
        yield "found no call of an SDK: look at how this check reads the code"
    for call, path in found.items():
        if call not in known:
            yield f"{path} calls {call}: say in MADE which function does, and give its role the right"
    for call in known - set(found):
        yield f"{call} is in the table and called nowhere"


@check("every role has exactly the actions that its function's calls and the Lambda service need")
def both_ways(template):
    for name, function in template.functions().items():
        needed = set().union(SERVICE, *(CALLS[call] for call in MADE[name]))
        if template.events(function, "SQS"):
            needed |= TAKES
        given = actions(template.role_of(function))
        for action in sorted(needed - given):
            yield f"{name} lacks {action}"
        for action in sorted(given - needed):
            yield f"{name} has {action}, which it does not need"


@check("a role reaches what its function touches, and nothing beside it")
def reach(template):
    secret, ingest, notify = "<DatabaseSecret>", "<IngestQueue.Arn>", "<NotifyQueue.Arn>"
    reading = [
        (True, "s3:GetObject", HOST, {}),
        (True, "s3:GetObjectVersion", HOST, {}),
        (True, "s3:PutObject", f"{BUCKET}/quarantine/LAB-WS01/20261124T100000Z-0a1b2c3d4e5f6071", {}),
        (True, "s3:ListBucket", BUCKET, {"s3:prefix": "stations/LAB-WS01/heartbeat/"}),
        (True, "s3:ListBucket", BUCKET, {}),
        (False, "s3:ListBucket", BUCKET, {"s3:prefix": "quarantine/"}),
        (False, "s3:GetObject", f"{BUCKET}/quarantine/LAB-WS01/x", {}),
        (False, "s3:PutObject", HOST, {}),
        (False, "s3:DeleteObject", HOST, {}),
        (False, "s3:GetObject", HOST.replace("BucketName", "another"), {}),
        (True, "secretsmanager:GetSecretValue", secret, {}),
        (False, "secretsmanager:GetSecretValue", "<AnotherSecret>", {}),
        (True, "sqs:SendMessage", notify, {}),
        (False, "sqs:SendMessage", ingest, {}),
        (False, "sns:Publish", "<NotificationsTopic>", {}),
    ]
    taking = [(True, action, ingest, {}) for action in sorted(TAKES)] + [(False, "sqs:ReceiveMessage", notify, {})]
    telling = [
        (True, "secretsmanager:GetSecretValue", secret, {}),
        (True, "sns:Publish", "<NotificationsTopic>", {}),
        (False, "sns:Publish", "<AlarmsTopic>", {}),
        (True, "sqs:DeleteMessage", notify, {}),
        (False, "sqs:DeleteMessage", ingest, {}),
        (False, "s3:GetObject", HOST, {}),
    ]
    never = [(False, "sqs:ReceiveMessage", ingest, {})]
    for name, rows in {"IngestFunction": reading + taking, "MissingHeartbeatFunction": reading + never, "NotifyFunction": telling}.items():
        function = template.functions()[name]
        own = f"arn:aws:lambda:eu-west-1:111122223333:function:{template.text(function['FunctionName'])}"
        rows = rows + [
            (True, "ec2:CreateNetworkInterface", "*", {}),
            (False, "ec2:CreateNetworkInterface", "*", {"lambda:SourceFunctionArn": own}),
        ]
        for wanted, action, resource, context in rows:
            if allows(template, template.role_of(function), action, resource, context) != wanted:
                yield f"{name} {'may not' if wanted else 'may'} {action} on {resource} {context or ''}"


@check("a station may put objects below its own prefix, by TLS, and do nothing else")
def stations(template):
    (policy,) = template.resources["StationsGroup"]["Properties"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    if actions(statements) != {"s3:PutObject"}:
        yield f"a station may {sorted(actions(statements))}"
    for wanted, user, action, resource, tls in [
        (True, "LAB-WS01", "s3:PutObject", HOST, "true"),
        (True, "LAB-WS01", "s3:PutObject", f"{BUCKET}/stations/LAB-WS01/heartbeat/20261124T100000Z.json", "true"),
        (False, "LAB-WS01", "s3:PutObject", HOST, "false"),
        (False, "LAB-WS0", "s3:PutObject", HOST, "true"),
        (False, "LAB-WS02", "s3:PutObject", HOST, "true"),
        (False, "LAB-WS01", "s3:PutObject", f"{BUCKET}/stations/LAB-WS01", "true"),
        (False, "LAB-WS01", "s3:PutObject", f"{BUCKET}/quarantine/LAB-WS01/x", "true"),
        (False, "LAB-WS01", "s3:GetObject", HOST, "true"),
        (False, "LAB-WS01", "s3:DeleteObject", HOST, "true"),
        (False, "LAB-WS01", "s3:PutObjectAcl", HOST, "true"),
        (False, "LAB-WS01", "s3:ListBucket", BUCKET, "true"),
    ]:
        context = {"aws:username": user, "aws:SecureTransport": tls}
        if allows(template, statements, action, resource, context) != wanted:
            yield f"{user} {'may not' if wanted else 'may'} {action} {resource} (TLS: {tls})"


@check("a lab server may do what its calls need, in this bucket and these queues, and nothing else")
def lab_servers(template):
    (policy,) = template.resources["LabServersGroup"]["Properties"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    needed = set().union(*(CALLS[call] for call in LAB_SERVER))
    if actions(statements) != needed:
        yield f"it may {sorted(actions(statements))}, needed are {sorted(needed)}"
    ingest, dead = "<IngestQueue.Arn>", "<IngestDeadLetterQueue.Arn>"
    for wanted, action, resource, context in [
        (True, "s3:GetObjectVersion", HOST, {}),
        (True, "s3:ListBucketVersions", BUCKET, {"s3:prefix": "stations/LAB-WS01/heartbeat/"}),
        (True, "s3:ListBucket", BUCKET, {"s3:prefix": "stations/"}),
        (True, "s3:PutObject", f"{BUCKET}/quarantine/LAB-WS01/x", {}),
        (True, "s3:PutObject", HOST, {}),
        (False, "s3:PutObject", f"{BUCKET}/elsewhere/x", {}),
        (False, "s3:ListBucketVersions", BUCKET, {"s3:prefix": "quarantine/"}),
        (False, "s3:GetObject", HOST.replace("BucketName", "another"), {}),
        (True, "sqs:ReceiveMessage", ingest, {}),
        (True, "sqs:ChangeMessageVisibility", ingest, {}),
        (True, "sqs:DeleteMessage", dead, {}),
        (True, "sqs:GetQueueUrl", dead, {}),
        (True, "sqs:SendMessage", ingest, {}),
        (False, "sqs:SendMessage", dead, {}),
        (False, "sqs:PurgeQueue", dead, {}),
        (False, "secretsmanager:GetSecretValue", "<DatabaseSecret>", {}),
    ]:
        if allows(template, statements, action, resource, context) != wanted:
            yield f"it {'may not' if wanted else 'may'} {action} on {resource} {context or ''}"


@check("nothing is allowed everywhere, on everything or to everybody, but for what has a reason beside it")
def wildcards(template):
    seen = set()
    for where, one in template.statements():
        sid = one.get("Sid", "")
        if any(value == "*" for value in listed(one.get("Resource", []))):
            seen.add((where, sid))
            if (where, sid) not in EVERYWHERE:
                yield f"{where} {sid} is about every resource"
        if one["Effect"] == "Deny":
            continue
        if any("*" in action for action in listed(one["Action"])):
            yield f"{where} {sid} allows {one['Action']}"
        # An endpoint's policy bounds what passes; who may do it stands in the roles.
        if one.get("Principal") == "*" and template.resources[where]["Type"] != "AWS::EC2::VPCEndpoint":
            yield f"{where} {sid} is for everybody"
        for value in listed(one.get("Resource", [])):
            text = template.text(value)
            if "*" in text and text != "*" and not re.search(r":s3:::BucketName/(stations/(\$\{aws:username\}/)?|quarantine/)?\*$", text):
                yield f"{where} {sid} reaches {text}"
    for stale in set(EVERYWHERE) - seen:
        yield f"{stale} is excused and not there"


@check("the endpoint of the bucket lets through what the functions need there, and no more")
def endpoint(template):
    (statement,) = template.resources["S3Endpoint"]["Properties"]["PolicyDocument"]["Statement"]
    needed = {action for calls in MADE.values() for call in calls for action in CALLS[call] if action.startswith("s3:")}
    if set(statement["Action"]) != needed:
        yield f"it lets through {sorted(statement['Action'])}, needed are {sorted(needed)}"
