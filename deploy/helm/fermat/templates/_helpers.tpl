{{- define "fermat.name" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) }}
{{- /* A release may have dots in its name, a Service may not. */ -}}
{{- $name | replace "." "-" | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "fermat.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "fermat.labels" -}}
{{ include "fermat.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "fermat.account" -}}
{{- .Values.serviceAccount.name | default (ternary (include "fermat.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "fermat.image" -}}
{{- $at := .Values.image.tag | default .Chart.AppVersion | printf ":%s" }}
{{- if .Values.image.digest }}{{ $at = printf "@%s" .Values.image.digest }}{{ end }}
{{- print .Values.image.repository $at }}
{{- end }}

{{- /* Where the token is: the name of a Secret. */ -}}
{{- define "fermat.secret" -}}
{{- .Values.admin.existingSecret.name | default (printf "%s-admin" (include "fermat.name" .)) }}
{{- end }}

{{- define "fermat.readsSlices" -}}
{{- if or .Values.rbac.clusterWide .Values.rbac.namespaces }}yes{{ end }}
{{- end }}

{{- define "fermat.database" -}}
{{- if eq .Values.geoip.source "maxmind" }}/var/lib/geoip/{{ .Values.geoip.maxmind.edition }}.mmdb{{ end }}
{{- if eq .Values.geoip.source "dbip" }}/var/lib/geoip/dbip-city-lite.mmdb{{ end }}
{{- end }}

{{- /* fermat.yaml: what `config` says, and what the chart knows better. */ -}}
{{- define "fermat.config" -}}
{{- $config := deepCopy .Values.config }}
{{- $_ := set $config "admin" (merge (dict "address" (printf ":%d" (int .Values.admin.port))) ($config.admin | default dict)) }}
{{- with include "fermat.database" . }}
{{- $_ := set $config "geoip" (merge (dict "databases" (list .)) ($config.geoip | default dict)) }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{- /* A duration of Fermat's as whole seconds, rather one too many. */ -}}
{{- define "fermat.seconds" -}}
{{- $unit := regexFind "[a-z]+$" . | default "s" }}
{{- $seconds := get (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0) $unit }}
{{- mulf (regexFind "^[0-9.]+" . | float64) $seconds | ceil | int }}
{{- end }}

{{- /* What no schema can know: values that contradict each other. */ -}}
{{- define "fermat.check" -}}
{{- $shutdown := .Values.config.shutdown | default dict }}
{{- $delay := ternary (toString $shutdown.drainDelay) "5s" (hasKey $shutdown "drainDelay") }}
{{- $timeout := ternary (toString $shutdown.timeout) "30s" (hasKey $shutdown "timeout") }}
{{- $drain := add (include "fermat.seconds" $delay) (include "fermat.seconds" $timeout) }}
{{- if and (not .Values.existingConfigMap) (le (int64 .Values.terminationGracePeriodSeconds) $drain) }}
{{- fail (printf "terminationGracePeriodSeconds is %d, but draining may take %d s (config.shutdown): pods would be killed before they have drained" (int .Values.terminationGracePeriodSeconds) $drain) }}
{{- end }}
{{- if and .Values.autoscaling.enabled (ne .Values.kind "Deployment") }}
{{- fail "autoscaling is for a Deployment; a DaemonSet has one pod on each node" }}
{{- end }}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
{{- fail (printf "autoscaling.minReplicas is %d, more than maxReplicas, %d" (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
{{- end }}
{{- if and .Values.autoscaling.enabled (not ((.Values.resources.requests).cpu)) (not ((.Values.resources.limits).cpu)) }}
{{- fail "autoscaling goes by a part of the CPU request: resources.requests.cpu is missing" }}
{{- end }}
{{- if and (eq .Values.geoip.source "maxmind") (not .Values.geoip.maxmind.secret) }}
{{- fail "geoip.source is maxmind: geoip.maxmind.secret names the Secret with account-id and license-key" }}
{{- end }}
{{- $names := list }}{{ $ports := list }}
{{- range .Values.service.ports }}{{ $names = append $names .name }}{{ $ports = append $ports .port }}{{ end }}
{{- if or (ne (len $names) (len (uniq $names))) (ne (len $ports) (len (uniq $ports))) }}
{{- fail "service.ports: a name or a port is there twice" }}
{{- end }}
{{- $listening := list }}
{{- range .Values.config.listeners }}{{ $listening = append $listening (regexFind "[0-9]+$" .address) }}{{ end }}
{{- if and (not .Values.existingConfigMap) (has (toString .Values.admin.port) $listening) }}
{{- fail (printf "admin.port %v is the port of a listener, too" .Values.admin.port) }}
{{- end }}
{{- if and .Values.service.enabled (not .Values.existingConfigMap) }}
{{- range .Values.service.ports }}
{{- if not (has (toString .targetPort) $listening) }}
{{- fail (printf "service.ports: no listener of config.listeners has port %v" .targetPort) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
