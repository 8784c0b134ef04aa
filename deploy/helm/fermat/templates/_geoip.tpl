{{- /* What brings the database: a sidecar beside Fermat, started before it and ended after it. */ -}}
{{- define "fermat.geoip" -}}
{{- if include "fermat.database" . }}
initContainers:
  {{- if eq .Values.geoip.source "dbip" }}
  - name: geoip
    image: {{ include "fermat.image" . | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args: [geoip, update, --to, {{ include "fermat.database" . }}, --every, {{ .Values.geoip.everyHours }}h]
  {{- else }}
  - name: geoip
    image: {{ .Values.geoip.maxmind.image }}
    env:
      - { name: GEOIPUPDATE_EDITION_IDS, value: {{ .Values.geoip.maxmind.edition | quote }} }
      - { name: GEOIPUPDATE_FREQUENCY, value: {{ .Values.geoip.everyHours | quote }} }
      - { name: GEOIPUPDATE_DB_DIR, value: /var/lib/geoip }
      {{- range $variable, $key := dict "GEOIPUPDATE_ACCOUNT_ID" "account-id" "GEOIPUPDATE_LICENSE_KEY" "license-key" }}
      - name: {{ $variable }}
        valueFrom:
          secretKeyRef: { name: {{ $.Values.geoip.maxmind.secret }}, key: {{ $key }} }
      {{- end }}
  {{- end }}
    restartPolicy: Always
    securityContext: {{- include "fermat.confined" . | nindent 6 }}
    resources:
      requests: { cpu: 10m, memory: 64Mi }
      limits: { memory: 512Mi }
    volumeMounts:
      - { name: geoip, mountPath: /var/lib/geoip }
      {{- if eq .Values.geoip.source "maxmind" }}
      # Where it logs, before anything else.
      - { name: geoip-tmp, mountPath: /tmp }
      {{- end }}
{{- end }}
{{- end }}

{{- define "fermat.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}
