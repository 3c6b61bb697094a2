"""The checks of the checks: a template with one thing broken, and the check that must find it."""

import copy

from template import Template


def put(path, value):
    """Sets what a path of keys names."""

    def breaking(tree):
        at = tree["Resources"]
        *way, last = path
        for key in way:
            at = at[key]
        at[last] = value

    return breaking


def drop(*path):
    """Removes what a path of keys names."""

    def breaking(tree):
        at = tree["Resources"]
        *way, last = path
        for key in way:
            at = at[key]
        del at[last]

    return breaking


def allow(role, statement):
    """One more statement in a role."""

    def breaking(tree):
        tree["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].append({"Effect": "Allow", **statement})

    return breaking


INGEST = ("IngestFunction", "Properties")
BUCKET = ("Bucket", "Properties")
STATION = ("StationsGroup", "Properties", "Policies", 0, "PolicyDocument", "Statement", 0)
LAB_SERVER = ("LabServersGroup", "Properties", "Policies", 0, "PolicyDocument", "Statement")

# What is broken, how, and a word of the sentence of the check that must find it.
BROKEN = [
    ("a visibility of five timeouts", put(("IngestQueue", "Properties", "VisibilityTimeout"), 300), "six times the timeout"),
    ("a longer timeout", put((*INGEST, "Timeout"), 120), "six times the timeout"),
    ("four tries", put(("NotifyQueue", "Properties", "RedrivePolicy", "maxReceiveCount"), 4), "at least five tries"),
    ("no dead-letter queue", drop("IngestQueue", "Properties", "RedrivePolicy"), "at least five tries"),
    ("a forgetful dead-letter queue", put(("IngestDeadLetterQueue", "Properties", "MessageRetentionPeriod"), 86400), "keeps longer"),
    ("a queue without encryption", drop("NotifyQueue", "Properties", "SqsManagedSseEnabled"), "every queue is encrypted"),
    ("a queue without TLS", drop("NotifyQueuePolicy"), "refuses what comes without TLS"),
    ("any bucket announces", drop("IngestQueuePolicy", "Properties", "PolicyDocument", "Statement", 0, "Condition"), "only this bucket"),
    ("quarantine announces itself", put((*BUCKET, "NotificationConfiguration", "QueueConfigurations", 0, "Filter", "S3Key", "Rules"), []), "announces stations/ alone"),
    ("a queue without an alarm", drop("NotifyQueueOldAlarm"), "every queue has an alarm"),
    ("a dead letter that nobody hears of", put(("IngestDeadLetterQueueDeepAlarm", "Properties", "Threshold"), 10), "every queue has an alarm"),
    ("no reserved concurrency", drop(*INGEST, "ReservedConcurrentExecutions"), "reserved concurrency"),
    ("more batches than reserved", put((*INGEST, "ReservedConcurrentExecutions"), 5), "reserved concurrency"),
    ("another architecture", put((*INGEST, "Architectures"), ["x86_64"]), "arm64"),
    ("a shared role", put(("NotifyFunction", "Properties", "Role"), {"Fn::GetAtt": ["IngestRole", "Arn"]}), "role"),
    ("logs for ever", drop("IngestLogs", "Properties", "RetentionInDays"), "log group"),
    ("whole batches fail", drop(*INGEST, "Events", "Telemetry", "Properties", "FunctionResponseTypes"), "comes back alone"),
    ("a batch larger than the memory", put((*INGEST, "MemorySize"), 256), "fit into memory"),
    ("a lab server that deletes", put((*LAB_SERVER, 0, "Action"), ["s3:GetObject", "s3:GetObjectVersion", "s3:DeleteObject"]), "a lab server may do"),
    ("a lab server that fills the dead letters", put((*LAB_SERVER, 6, "Resource"), [{"Fn::GetAtt": ["IngestQueue", "Arn"]}, {"Fn::GetAtt": ["IngestDeadLetterQueue", "Arn"]}]), "a lab server may do"),
    ("a check every hour", put(("MissingHeartbeatFunction", "Properties", "Events", "EveryMinute", "Properties", "Schedule"), "rate(1 hour)"), "every minute"),
    ("a public bucket", put((*BUCKET, "PublicAccessBlockConfiguration", "BlockPublicPolicy"), False), "closed to the public"),
    ("a bucket without TLS", drop("BucketPolicy", "Properties", "PolicyDocument", "Statement", 0), "TLS 1.2"),
    ("a bucket without versions", drop(*BUCKET, "VersioningConfiguration"), "versioned"),
    ("versions that go too soon", put((*BUCKET, "LifecycleConfiguration", "Rules", 0, "NoncurrentVersionExpiration", "NoncurrentDays"), 7), "go in time"),
    ("a station that reads", put((*STATION, "Action"), ["s3:PutObject", "s3:GetObject"]), "a station may put"),
    ("a station that writes anywhere", put((*STATION, "Resource"), {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}/stations/*"}), "a station may put"),
    ("a station without the slash", put((*STATION, "Resource"), {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}/stations/${!aws:username}*"}), "a station may put"),
    ("a right too many", allow("IngestRole", {"Action": "s3:DeleteObject", "Resource": {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}/stations/*"}}), "exactly the actions"),
    ("a right too few", drop("MissingHeartbeatRole", "Properties", "Policies", 0, "PolicyDocument", "Statement", 1), "exactly the actions"),
    ("a 403 for a missing object", put(("IngestRole", "Properties", "Policies", 0, "PolicyDocument", "Statement", 1, "Condition"), {"StringEquals": {"s3:prefix": "stations/"}}), "reaches what its function touches"),
    ("a role that writes telemetry", put(("IngestRole", "Properties", "Policies", 0, "PolicyDocument", "Statement", 2, "Resource"), {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}/*"}), "reaches what its function touches"),
    ("a statement about everything", allow("NotifyRole", {"Sid": "All", "Action": "sns:Publish", "Resource": "*"}), "nothing is allowed everywhere"),
    ("an action with a wildcard", allow("NotifyRole", {"Action": "sns:*", "Resource": {"Ref": "NotificationsTopic"}}), "nothing is allowed everywhere"),
    ("ingest with a way out", put((*INGEST, "VpcConfig", "SubnetIds"), [{"Ref": "EgressSubnetA"}]), "only notify stands"),
    ("a default route", put(("EgressRoute", "Properties", "RouteTableId"), {"Ref": "PrivateRoutes"}), "no default route"),
    ("a public database", put(("Database", "Properties", "PubliclyAccessible"), True), "the database is private"),
    ("a database without TLS", drop("DatabaseParameters", "Properties", "Parameters", "require_secure_transport"), "the database is private"),
    ("a database that goes with the stack", put(("Database", "DeletionPolicy"), "Delete"), "outlives the stack"),
    ("a password in the template", put(("Database", "Properties", "MasterUserPassword"), "12345678"), "no secret stands"),
    ("a password that stays", drop("DatabaseSecretRotation", "Properties", "HostedRotationLambda"), "no secret stands"),
    ("a function that fails unheard", drop("IngestErrorsAlarm"), "alarm on errors"),
    ("an invariant that nobody hears of", drop("ViolationsAlarm"), "break an invariant"),
    ("a refusal that nobody counts", drop("ViolationsByScheduleMetric"), "break an invariant"),
    ("silence that counts as health", put(("MissingHeartbeatSilentAlarm", "Properties", "TreatMissingData"), "notBreaching"), "missing data breaches"),
    ("an alarm that tells nobody", put(("DatabaseFullAlarm", "Properties", "AlarmActions"), []), "told to the topic"),
    ("a chapter that is not there", put(("IngestQueueOldAlarm", "Properties", "AlarmDescription"), "See Prayer in the runbook."), "told to the topic"),
    ("a log line that nothing writes", put(("ViolationsByIngestMetric", "Properties", "FilterPattern"), '{ $.fields.message = "took a nap" }'), "out of a log line"),
    ("a field that nothing writes", put(("ViolationsByIngestMetric", "Properties", "MetricTransformations", 0, "MetricValue"), "$.fields.dreams"), "out of a log line"),
    ("a metric that nothing shows", put(("ViolationsByIngestMetric", "Properties", "MetricTransformations", 0, "MetricName"), "Naps"), "the dashboard"),
    ("metrics that go elsewhere", put((*INGEST, "Environment", "Variables", "STATIONKEEPER_METRICS_NAMESPACE"), "Other"), "the namespace"),
    ("a database that nobody vouches for", put((*INGEST, "Layers"), []), "authorities of the database"),
    ("a variable that nothing reads", put((*INGEST, "Environment"), {"Variables": {"STATIONKEEPER_MOOD": "good"}}), "variables that their code asks for"),
    ("a binary of nobody", put((*INGEST, "CodeUri"), "../target/lambda/stationkeeper-up/"), "the folder that its binary"),
]  # fmt: skip


def tests(tree, checks, faults_of):
    """A check for each broken thing."""
    for what, breaking, sentence_part in BROKEN:

        def finds(_template, breaking=breaking, part=sentence_part):
            wanted = [one for one in checks if part in one[0]]
            if not wanted:
                return [f"no check says {part!r}"]
            broken = copy.deepcopy(tree)
            breaking(broken)
            for _sentence, function in wanted:
                intact = faults_of(function, Template(tree))
                faults = [fault for fault in faults_of(function, Template(broken)) if fault not in intact]
                if any("Traceback" not in str(fault) for fault in faults):
                    return []
                if faults:
                    return [f"the check breaks off instead of finding it: {faults[0]}"]
            return ["nothing found it"]

        yield f"broken on purpose and found: {what}", finds
