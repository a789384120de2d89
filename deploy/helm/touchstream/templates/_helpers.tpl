{{- define "touchstream.name" -}}
{{- if contains .Chart.Name .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{- end -}}
{{- end }}

{{- define "touchstream.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* Of a component: dict "root" $ "component" "worker". */}}
{{- define "touchstream.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "touchstream.labels" -}}
{{ include "touchstream.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* A value as an environment variable's text. Helm's numbers are floats: 50000000 would be written 5e+07. */}}
{{- define "touchstream.text" -}}
{{- if and (kindIs "float64" .) (eq (float64 (int64 .)) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end }}

{{/* What a component reads of Kafka, ClickHouse and the secrets: a list of secrets' names in values.yaml, as JSON. */}}
{{- define "touchstream.secretsOf" -}}
{{- $kafka := list "kafkaSaslPassword" "kafkaCa" -}}
{{- $clickhouse := list "clickhouseUrl" "clickhouseCa" -}}
{{- $all := dict
  "worker" (concat $kafka $clickhouse (list "schemaRegistryUrl"))
  "gateway" (concat $kafka (ternary $clickhouse (list) .root.Values.gateway.readsCustomers) (list "schemaRegistryUrl" "gatewayKeys"))
  "watch" (concat $kafka $clickhouse (list "alertsWebhookUrl" "alertmanagerUrl" "alertsSlackUrl" "alertsWebhookKeys" "alertsEmailServer" "alertsEmailCa" "alertsHeartbeatUrl"))
  "page" $clickhouse
  "reconcile" (concat $kafka $clickhouse)
  "init" (concat $kafka $clickhouse (list "schemaRegistryUrl" "controlKey" "erasureKey"))
  "operator" (concat $kafka $clickhouse (list "schemaRegistryUrl" "controlKey" "erasureKey")) -}}
{{- $named := list -}}
{{- range get $all .component -}}
{{- if (get $.root.Values.secrets .).name -}}{{- $named = append $named . -}}{{- end -}}
{{- end -}}
{{ toJson $named }}
{{- end }}

{{/* The variable that names each secret's file. */}}
{{- define "touchstream.secretVariables" -}}
clickhouseUrl: TOUCHSTREAM_CLICKHOUSE_URL_FILE
controlKey: TOUCHSTREAM_CONTROL_KEY_FILE
gatewayKeys: TOUCHSTREAM_GATEWAY_KEYS_FILE
erasureKey: TOUCHSTREAM_ERASURE_KEY_FILE
kafkaSaslPassword: TOUCHSTREAM_KAFKA_SASL_PASSWORD_FILE
kafkaCa: TOUCHSTREAM_KAFKA_CA_FILE
clickhouseCa: SSL_CERT_FILE
schemaRegistryUrl: TOUCHSTREAM_SCHEMA_REGISTRY_URL_FILE
alertsWebhookUrl: TOUCHSTREAM_ALERTS_WEBHOOK_URL_FILE
alertmanagerUrl: TOUCHSTREAM_ALERTMANAGER_URL_FILE
alertsSlackUrl: TOUCHSTREAM_ALERTS_SLACK_URL_FILE
alertsWebhookKeys: TOUCHSTREAM_ALERTS_WEBHOOK_KEYS_FILE
alertsEmailServer: TOUCHSTREAM_ALERTS_EMAIL_SERVER_FILE
alertsEmailCa: TOUCHSTREAM_ALERTS_EMAIL_CA_FILE
alertsHeartbeatUrl: TOUCHSTREAM_ALERTS_HEARTBEAT_URL_FILE
{{- end }}

{{/* Names in `definitions` of the files that a component reads, as JSON. */}}
{{- define "touchstream.definitionsOf" -}}
{{- $all := dict "worker" (list "metrics") "watch" (list "journey" "metrics" "alerts") "page" (list "journey" "metrics")
  "init" (list "journey") "operator" (list "journey" "metrics" "alerts") -}}
{{- $given := list -}}
{{- range get $all .component | default list -}}
{{- if get $.root.Values.definitions . -}}{{- $given = append $given . -}}{{- end -}}
{{- end -}}
{{ toJson $given }}
{{- end }}

{{- define "touchstream.environment" -}}
- {name: TOUCHSTREAM_LOG_FORMAT, value: json}
{{- range $name, $value := .root.Values.settings }}
{{- if not (and (eq $.component "page") (hasPrefix "kafka_" $name)) }}
- {name: TOUCHSTREAM_{{ upper $name }}, value: {{ include "touchstream.text" $value | quote }}}
{{- end }}
{{- end }}
{{- with get (dict "worker" "METRICS_HOST" "gateway" "GATEWAY_HOST" "watch" "WATCH_HOST" "page" "PAGE_HOST") .component }}
- {name: TOUCHSTREAM_{{ . }}, value: 0.0.0.0}
{{- end }}
{{- if eq .component "page" }}
{{- $service := printf "%s-page" (include "touchstream.name" .root) }}
{{- $names := list $service (printf "%s.%s" $service .root.Release.Namespace) (printf "%s.%s.svc" $service .root.Release.Namespace) }}
{{- $names = concat $names (compact (list .root.Values.page.ingress.host)) .root.Values.page.hosts }}
- {name: TOUCHSTREAM_PAGE_HOSTS, value: {{ join "," $names | quote }}}
{{- end }}
{{- $variables := include "touchstream.secretVariables" . | fromYaml }}
{{- range include "touchstream.secretsOf" . | fromJsonArray }}
- {name: {{ get $variables . }}, value: /run/secrets/touchstream/{{ . }}}
{{- end }}
{{- range include "touchstream.definitionsOf" . | fromJsonArray }}
- {name: TOUCHSTREAM_{{ upper . }}_FILE, value: /etc/touchstream/{{ . }}.yaml}
{{- end }}
{{- if and (eq .component "gateway") .root.Values.definitions.sources }}
- {name: TOUCHSTREAM_GATEWAY_SOURCES_FILE, value: /etc/touchstream/sources.yaml}
{{- end }}
{{- end }}

{{/* The pod of a component: dict "root" $ "component" … "args" list, and for those that listen "port" and "ready". */}}
{{- define "touchstream.pod" -}}
{{- $values := .root.Values }}
{{- $own := get $values .component | default dict }}
{{- $secrets := include "touchstream.secretsOf" . | fromJsonArray }}
{{- $definitions := or (include "touchstream.definitionsOf" . | fromJsonArray) (and (eq .component "gateway") $values.definitions.sources) }}
{{- $sourcesSecret := and (eq .component "gateway") $values.definitions.sourcesSecret }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $values.serviceAccount.name }}
serviceAccountName: {{ . }}
{{- end }}
{{- with $values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
- {name: {{ . }}}
{{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .restartPolicy }}
restartPolicy: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ .graceSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with $own.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- if .port }}
topologySpreadConstraints:
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{ include "touchstream.selector" $ | nindent 6 }}
{{- end }}
{{- end }}
containers:
- name: {{ .component }}
  image: {{ include "touchstream.image" .root }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  {{- with .command }}
  command: {{ toJson . }}
  {{- end }}
  {{- with .args }}
  args: {{ toJson . }}
  {{- end }}
  env: {{ include "touchstream.environment" . | nindent 2 }}
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL]}
  resources: {{ toYaml (.resources | default $own.resources) | nindent 4 }}
  {{- if .port }}
  ports:
  - {name: http, containerPort: {{ .port }}, protocol: TCP}
  # Python loads for seconds, on a busy node for a minute. /healthz doesn't ask for Kafka or ClickHouse.
  startupProbe:
    httpGet: {path: /healthz, port: http}
    periodSeconds: 2
    timeoutSeconds: 5
    failureThreshold: 60
  # 503 once a process is stuck for good; one that waits for Kafka, ClickHouse or a large lane is alive.
  livenessProbe:
    httpGet: {path: /healthz, port: http}
    periodSeconds: 10
    timeoutSeconds: 10
    failureThreshold: 6
  readinessProbe:
    httpGet: {path: {{ .ready }}, port: http}
    periodSeconds: 5
    timeoutSeconds: 5
    failureThreshold: 2
  {{- end }}
  {{- with .drainSeconds }}
  # Until every node has learnt that this pod gets no new connections.
  lifecycle: {preStop: {exec: {command: [sleep, {{ . | quote }}]}}}
  {{- end }}
  volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- if $secrets }}
  - {name: secrets, mountPath: /run/secrets/touchstream, readOnly: true}
  {{- end }}
  {{- if $definitions }}
  - {name: definitions, mountPath: /etc/touchstream, readOnly: true}
  {{- end }}
  {{- if $sourcesSecret }}
  - {name: sources, mountPath: /run/secrets/sources, readOnly: true}
  {{- end }}
volumes:
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- if $secrets }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
    {{- range $secrets }}
    {{- $secret := get $values.secrets . }}
    - secret: {name: {{ $secret.name }}, items: [{key: {{ $secret.key | quote }}, path: {{ . }}}]}
    {{- end }}
{{- end }}
{{- if $definitions }}
- name: definitions
  configMap: {name: {{ include "touchstream.name" .root }}-{{ eq .component "init" | ternary "init" "definitions" }}}
{{- end }}
{{- if $sourcesSecret }}
- name: sources
  secret: {secretName: {{ $sourcesSecret }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{/* Metadata of a pod: restarts it where a file that it reads at its start has changed. */}}
{{- define "touchstream.podMetadata" -}}
labels: {{ include "touchstream.labels" . | nindent 2 }}
{{- with .root.Values.podLabels }}
{{- toYaml . | nindent 2 }}
{{- end }}
annotations:
  touchstream/definitions: {{ toJson .root.Values.definitions | sha256sum | trunc 16 | quote }}
{{- with .root.Values.podAnnotations }}
{{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Refused here, since a schema can't compare two values. */}}
{{- define "touchstream.check" -}}
{{- $partitions := int (.Values.settings.partitions | default 4) -}}
{{- $workers := .Values.worker.autoscaling.enabled | ternary .Values.worker.autoscaling.maxReplicas .Values.worker.replicas -}}
{{- if gt (int $workers) $partitions -}}
{{- fail (printf "%d workers, but settings.partitions is %d: a worker without a partition does nothing; lower worker.replicas or worker.autoscaling.maxReplicas" (int $workers) $partitions) -}}
{{- end -}}
{{- if gt (int .Values.worker.autoscaling.minReplicas) (int .Values.worker.autoscaling.maxReplicas) -}}
{{- fail "worker.autoscaling.minReplicas is above maxReplicas" -}}
{{- end -}}
{{- if and .Values.gateway.enabled (not .Values.secrets.gatewayKeys.name) -}}
{{- fail "the gateway takes events from other pods only with API keys: name the Secret in secrets.gatewayKeys, or set gateway.enabled=false" -}}
{{- end -}}
{{- if and (hasPrefix "SASL" (.Values.settings.kafka_security_protocol | default "")) (not .Values.secrets.kafkaSaslPassword.name) -}}
{{- fail "settings.kafka_security_protocol asks for a password: name its Secret in secrets.kafkaSaslPassword" -}}
{{- end -}}
{{- if and .Values.page.ingress.enabled (not .Values.page.ingress.annotations) -}}
{{- fail "the page has no login: page.ingress.annotations must hold those by which your ingress controller asks for one" -}}
{{- end -}}
{{- end }}
