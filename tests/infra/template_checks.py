"""What the template promises about bucket, queues, functions, database and network."""

import json
import re

from checks import check
from template import ROOT, listed

FUNCTIONS = {
    "IngestFunction": "stationkeeper-ingest",
    "MissingHeartbeatFunction": "stationkeeper-missing-heartbeat",
    "NotifyFunction": "stationkeeper-notify",
}


def is_tls_only(statement):
    condition = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    return statement["Effect"] == "Deny" and statement["Principal"] == "*" and condition == "false"


def takers(template, queue):
    """The functions that a queue wakes, with the event."""
    for name, function in template.functions().items():
        for event in template.events(function, "SQS"):
            if template.target(event["Queue"]) == queue:
                yield name, function, event


@check("there are the three functions, each from the folder that its binary is built into")
def functions(template):
    for name, binary in FUNCTIONS.items():
        code = template.functions().get(name, {}).get("CodeUri", "")
        if code.strip("/").split("/")[-1] != binary:
            yield f"{name} takes its code from {code!r}, not from a folder {binary}"
    for name in set(template.functions()) - set(FUNCTIONS):
        yield f"{name} is not known: add it to FUNCTIONS"


@check("every function runs on arm64 and provided.al2023, with a role, a log group and a reserved concurrency of its own")
def function_facts(template):
    roles, logs = {}, {}
    for name, function in template.functions().items():
        if function["Architectures"] != ["arm64"] or function["Runtime"] != "provided.al2023" or function["Handler"] != "bootstrap":
            yield f"{name} is not a bootstrap on arm64 and provided.al2023"
        role, log = template.target(function.get("Role")), template.target(function.get("LoggingConfig", {}).get("LogGroup"))
        if role in roles:
            yield f"{name} shares {role} with {roles[role]}"
        if log in logs:
            yield f"{name} shares the log group {log} with {logs[log]}"
        roles[role], logs[log] = name, name
        if template.resources.get(role, {}).get("Type") != "AWS::IAM::Role":
            yield f"{name} has no role of this template"
        retention = template.resources.get(log, {}).get("Properties", {}).get("RetentionInDays")
        if not retention or function["LoggingConfig"].get("LogFormat") != "JSON":
            yield f"{name} has no log group with a retention, or does not log JSON"
        reserved = function.get("ReservedConcurrentExecutions")
        if not reserved:
            yield f"{name} has no reserved concurrency"
            continue
        most = sum(template.number(event["ScalingConfig"]["MaximumConcurrency"]) for event in template.events(function, "SQS"))
        if template.number(reserved) < max(most, 1):
            yield f"{name} reserves {template.number(reserved)} but its queues start up to {most}: throttled messages would count as received"
        if "VpcConfig" not in function:
            yield f"{name} is in no VPC"


@check("a message is invisible for six times the timeout of its function, and the batch window besides")
def visibility(template):
    for queue, properties in template.of_type("AWS::SQS::Queue").items():
        for name, function, event in takers(template, queue):
            window = template.number(event.get("MaximumBatchingWindowInSeconds", 0))
            wanted = 6 * template.number(function["Timeout"]) + window
            if properties.get("VisibilityTimeout", 30) < wanted:
                yield f"{queue} hides a message for {properties.get('VisibilityTimeout', 30)} s, {name} wants {wanted} s"


def largest_object_mib():
    """What `telemetry` lets through."""
    text = (ROOT / "functions/telemetry/src/limits.rs").read_text(encoding="utf-8")
    return int(re.search(r"max_bytes: (\d+) \* 1024 \* 1024", text).group(1))


@check("batches are collected for a while, fit into memory at their largest, and what fails in one comes back alone")
def batches(template):
    seen = 0
    for name, function in template.functions().items():
        for event in template.events(function, "SQS"):
            seen += 1
            if event.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
                yield f"{name} answers for a whole batch"
            if template.number(event.get("MaximumBatchingWindowInSeconds", 0)) < 1:
                yield f"{name} has no batch window"
            size = event.get("BatchSize", 0)
            most = template.tree["Parameters"][size["Ref"]]["MaxValue"] if isinstance(size, dict) else size
            # Wakings carry no object.
            needed = most * largest_object_mib() + 100 if name == "IngestFunction" else 128
            if function["MemorySize"] < needed:
                yield f"{name} has {function['MemorySize']} MB; {most} objects of the largest size want {needed}"
    if seen < 2:
        yield f"{seen} functions are woken by a queue; ingest and notify should be"


@check("every queue that a function takes from has a dead-letter queue, after at least five tries, that keeps longer")
def dead_letters(template):
    queues = template.of_type("AWS::SQS::Queue")
    for queue, properties in queues.items():
        redrive = properties.get("RedrivePolicy")
        if not list(takers(template, queue)):
            allowed = properties.get("RedriveAllowPolicy", {})
            if allowed.get("redrivePermission") != "byQueue":
                yield f"{queue} is taken by no function and is no dead-letter queue of a named one"
            continue
        if not redrive:
            yield f"{queue} has no dead-letter queue"
            continue
        dead = template.target(redrive["deadLetterTargetArn"])
        if redrive["maxReceiveCount"] < 5:
            yield f"{queue} gives a message up after {redrive['maxReceiveCount']} tries"
        if queues[dead].get("MessageRetentionPeriod", 345600) < max(1209600, properties.get("MessageRetentionPeriod", 345600)):
            yield f"{dead} does not keep a message as long as SQS can"
        source = template.text(queues[dead]["RedriveAllowPolicy"]["sourceQueueArns"][0])
        if not source.endswith(":" + template.text(properties["QueueName"])):
            yield f"{dead} takes dead letters of {source}, not of {queue}"


@check("every queue is encrypted and refuses what comes without TLS")
def queue_safety(template):
    policies = template.of_type("AWS::SQS::QueuePolicy").values()
    for queue, properties in template.of_type("AWS::SQS::Queue").items():
        if properties.get("SqsManagedSseEnabled") is not True:
            yield f"{queue} is not encrypted"
        of_queue = [policy for policy in policies if queue in map(template.target, policy["Queues"])]
        if not any(is_tls_only(one) for policy in of_queue for one in policy["PolicyDocument"]["Statement"]):
            yield f"{queue} takes requests without TLS"


@check("only this bucket, in this account, may announce objects to the ingest queue, and it announces stations/ alone")
def announcements(template):
    allowed = []
    for policy in template.of_type("AWS::SQS::QueuePolicy").values():
        allowed += [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Allow"]
    if [one["Principal"] for one in allowed] != [{"Service": "s3.amazonaws.com"}]:
        yield "somebody else than S3 is let into a queue by its policy"
    for one in allowed:
        condition = one.get("Condition", {})
        if "aws:SourceArn" not in condition.get("ArnEquals", {}) or "aws:SourceAccount" not in condition.get("StringEquals", {}):
            yield "the bucket's right to send is not bound to bucket and account"
    bucket = template.resources["Bucket"]
    (announced,) = bucket["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    if announced["Filter"]["S3Key"]["Rules"] != [{"Name": "prefix", "Value": "stations/"}] or announced["Event"] != "s3:ObjectCreated:*":
        yield "the bucket announces something else than new objects below stations/"
    if template.target(announced["Queue"]) != "IngestQueue" or bucket["DependsOn"] != "IngestQueuePolicy":
        yield "the bucket is made before the queue lets it in"


@check("the bucket is encrypted, versioned, closed to the public, and takes TLS 1.2 or newer only")
def bucket(template):
    one = template.resources["Bucket"]
    properties = one["Properties"]
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    if rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] not in ("AES256", "aws:kms"):
        yield "it is not encrypted"
    if properties.get("VersioningConfiguration") != {"Status": "Enabled"}:
        yield "it is not versioned"
    for word in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"):
        if properties.get("PublicAccessBlockConfiguration", {}).get(word) is not True:
            yield f"{word} is off"
    if properties["OwnershipControls"]["Rules"] != [{"ObjectOwnership": "BucketOwnerEnforced"}]:
        yield "access lists are in force"
    if one.get("DeletionPolicy") != "Retain" or one.get("UpdateReplacePolicy") != "Retain":
        yield "it goes with the stack"
    statements = template.resources["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    if not any(is_tls_only(statement) and len(listed(statement["Resource"])) == 2 for statement in statements):
        yield "it takes requests without TLS"
    if not any(statement.get("Condition", {}).get("NumericLessThan", {}).get("s3:TlsVersion") == "1.2" for statement in statements):
        yield "it takes old versions of TLS"
    if any(statement["Effect"] != "Deny" for statement in statements):
        yield "its policy lets somebody in"


@check("telemetry, what was put aside and old versions go in time, but not before every queue has forgotten them")
def lifecycle(template):
    rules = {rule["Id"]: rule for rule in template.resources["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]}
    queued = sum(template.resources[name]["Properties"]["MessageRetentionPeriod"] for name in ("IngestQueue", "IngestDeadLetterQueue")) / 86400
    for name, prefix in (("telemetry", "stations/"), ("quarantine", "quarantine/")):
        rule = rules[name]
        if rule["Prefix"] != prefix or rule["Status"] != "Enabled":
            yield f"{name} is not about {prefix}"
        if template.number(rule["ExpirationInDays"]) < queued:
            yield f"{prefix} goes after {template.number(rule['ExpirationInDays'])} days, a queued event may still mean it for {queued:.0f}"
        if rule["NoncurrentVersionExpiration"]["NoncurrentDays"] < queued:
            yield f"old versions of {prefix} go after {rule['NoncurrentVersionExpiration']['NoncurrentDays']} days, a queued event may still mean them for {queued:.0f}"
    if "AbortIncompleteMultipartUpload" not in rules["leftovers"]:
        yield "begun uploads stay for ever"


@check("the schedule wakes the overdue check and the sweep of notify every minute, and one run ends before the next")
def schedules(template):
    for name in ("MissingHeartbeatFunction", "NotifyFunction"):
        function = template.functions()[name]
        if [event["Schedule"] for event in template.events(function, "Schedule")] != ["rate(1 minute)"]:
            yield f"{name} is not woken every minute"
        if template.number(function["Timeout"]) > 60:
            yield f"{name} may run into its next minute"
        if function.get("EventInvokeConfig", {}).get("MaximumRetryAttempts") != 0:
            yield f"{name} is retried besides its next minute"


@check("only notify stands where a way out is, and the private subnets have no default route")
def network(template):
    def subnets(value):
        if isinstance(value, dict) and "Fn::If" in value:
            return subnets(value["Fn::If"][1]) + subnets(value["Fn::If"][2])
        return [template.target(one) for one in listed(value)]

    for name, function in template.functions().items():
        out = [one for one in subnets(function["VpcConfig"]["SubnetIds"]) if one.startswith("Egress")]
        if bool(out) != (name == "NotifyFunction"):
            yield f"{name} stands in {out or 'private subnets alone'}"
    routes = template.of_type("AWS::EC2::Route")
    for name, route in routes.items():
        if template.target(route["RouteTableId"]) == "PrivateRoutes":
            yield f"{name} leads out of the private subnets"
    tables = {template.target(one["SubnetId"]): template.target(one["RouteTableId"]) for one in template.of_type("AWS::EC2::SubnetRouteTableAssociation").values()}
    for subnet in ("PrivateSubnetA", "PrivateSubnetB"):
        if tables.get(subnet) != "PrivateRoutes":
            yield f"{subnet} has the routes {tables.get(subnet)}"
    services = {template.text(one["ServiceName"]).rsplit(".", 1)[1]: one for one in template.of_type("AWS::EC2::VPCEndpoint").values()}
    if set(services) != {"s3", "sqs", "secretsmanager", "sns"} or services["s3"]["VpcEndpointType"] != "Gateway":
        yield f"there are endpoints for {sorted(services)}"


@check("the database is private, encrypted, backed up, TLS only, and outlives the stack")
def database(template):
    one = template.resources["Database"]
    properties = one["Properties"]
    wanted = {"PubliclyAccessible": False, "StorageEncrypted": True, "DeletionProtection": True, "Engine": "mysql"}
    for key, value in wanted.items():
        if properties.get(key) != value:
            yield f"{key} is {properties.get(key)}"
    if properties.get("BackupRetentionPeriod", 0) < 7 or one.get("DeletionPolicy") != "Snapshot":
        yield "there is no week of backups, or no last snapshot"
    if template.resources["DatabaseParameters"]["Properties"]["Parameters"].get("require_secure_transport") != "1":
        yield "it takes connections without TLS"
    for rule in template.resources["DatabaseSecurityGroup"]["Properties"]["SecurityGroupIngress"]:
        if "SourceSecurityGroupId" not in rule or (rule["FromPort"], rule["ToPort"]) != (3306, 3306):
            yield f"it lets in {rule}"


@check("no secret stands in a parameter, a variable or an output; the database's password is made, kept and rotated by Secrets Manager")
def secrets(template):
    suspicious = re.compile(r"password|secret(?!.?arn)|token|credential", re.I)
    for name, parameter in template.tree["Parameters"].items():
        if suspicious.search(name) and not name.endswith("Arn"):
            yield f"parameter {name} looks like a secret"
    for name, function in template.functions().items():
        for variable in function["Environment"]["Variables"]:
            if suspicious.search(variable) and not variable.endswith("_ARN"):
                yield f"{name} has a secret in {variable}"
    for name, output in template.tree["Outputs"].items():
        if "resolve:" in json.dumps(output):
            yield f"output {name} shows a secret"
    properties = template.resources["Database"]["Properties"]
    if "{{resolve:secretsmanager:" not in json.dumps(properties["MasterUserPassword"]):
        yield "the database's password does not come from Secrets Manager"
    secret = template.resources["DatabaseSecret"]["Properties"]
    if "GenerateSecretString" not in secret or "SecretString" in secret:
        yield "the password is not made by Secrets Manager"
    rotation = template.resources["DatabaseSecretRotation"]["Properties"]
    if template.target(rotation["SecretId"]) != "DatabaseSecret" or not 1 <= rotation["RotationRules"]["AutomaticallyAfterDays"] <= 90:
        yield "the password is not rotated"
    if "HostedRotationLambda" not in rotation:
        yield "nothing rotates the password"


# What each function's code reads its variables in.
READ_IN = {
    "IngestFunction": ["pipeline/src/lambda.rs"],
    "MissingHeartbeatFunction": ["pipeline/src/lambda.rs"],
    "NotifyFunction": ["pipeline/src/lambda.rs", "notify/src/main.rs"],
}
# Read by what the others share, and only with a bucket.
WITH_BUCKET = {"STATIONKEEPER_BUCKET", "STATIONKEEPER_NOTIFY_QUEUE_URL"}


@check("the functions get the variables that their code asks for, and no other")
def environment(template):
    for name, function in template.functions().items():
        asked = set()
        for path in READ_IN[name]:
            code = (ROOT / "functions" / path).read_text(encoding="utf-8")
            found = set(re.findall(r'^const [A-Z_]+: &str = "(STATIONKEEPER_[A-Z_]+)";', code, re.M))
            if not found:
                yield f"found no variable in functions/{path}: look at how this check reads it"
            asked |= found
        if name == "NotifyFunction":
            asked -= WITH_BUCKET
        given = set(function["Environment"]["Variables"])
        # The secret stands for the URL.
        for variable in asked - given - {"STATIONKEEPER_DATABASE_URL"}:
            yield f"{name} is not given {variable}"
        for variable in given - asked:
            yield f"{name} is given {variable}, which nothing reads"


@check("every function has the layer that brings the authorities of the database to where the variable says")
def authorities(template):
    readme = (ROOT / "infra/README.md").read_text(encoding="utf-8")
    for name, function in template.functions().items():
        path = template.text(function["Environment"]["Variables"].get("STATIONKEEPER_DATABASE_CA", "nowhere"))
        layers = [template.resources[template.target(layer)]["Properties"] for layer in function.get("Layers", [])]
        # A layer lies at /opt.
        brought = [f"/opt/{file}" for layer in layers for file in re.findall(rf"-o infra/{layer['ContentUri']}(\S+)", readme)]
        if path not in brought:
            yield f"{name} reads authorities from {path}; its layers and infra/README.md bring {brought}"


@check("every binary of the template is a crate of the workspace that is built by the command of infra/README.md")
def crates(_template):
    readme = (ROOT / "infra/README.md").read_text(encoding="utf-8")
    for binary in FUNCTIONS.values():
        if f"-p {binary}" not in readme:
            yield f"infra/README.md does not build {binary}"
    for name in ("ingest", "missing-heartbeat", "notify"):
        manifest = (ROOT / f"functions/{name}/Cargo.toml").read_text(encoding="utf-8")
        if f'name = "stationkeeper-{name}"' not in manifest:
            yield f"functions/{name} is not stationkeeper-{name}"
