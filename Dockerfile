# No build step: Node 26 strips the types of Fermat's own files as it reads them. The second image has Node and what Fermat runs,
# and no shell, no package manager, nothing else. Tags, not digests: a digest is of one registry's bytes on one day, and this file
# is for everybody; pin both in your own pipeline (docs/containers.md).
FROM node:26-slim AS build
WORKDIR /fermat
COPY package.json package-lock.json ./
# The image is the runtime, so the optional packages that carry one are left out. The hashes are in the lockfile, and nobody's
# install script is run: none is needed.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund
# What no running Node reads: types, source maps, documents, binaries for another runtime. Licences stay, those in Markdown too.
RUN find node_modules -type f \( -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.map' -o -name '*.md' -o -name '*.bare' \) \
    ! -iname 'licen[cs]e*' -delete
COPY LICENSE NOTICE ./
COPY geoip geoip
COPY src src
# An executable that needs no shell, for `docker exec NAME fermat status`; then a look whether all that is needed has been copied.
RUN mkdir -p bin && echo '#!/nodejs/bin/node' > bin/fermat && echo 'import("/fermat/src/cli.ts");' >> bin/fermat && chmod 755 bin/fermat
RUN mkdir ../state && node src/cli.ts validate --listen :8080 --upstream http://127.0.0.1:9000

FROM gcr.io/distroless/nodejs26-debian13
LABEL org.opencontainers.image.title="Fermat" \
      org.opencontainers.image.description="An edge proxy that takes the path of least time" \
      org.opencontainers.image.licenses="MIT"
# FERMAT_CONFIG: where every verb looks; mount the configuration there.
ENV NODE_ENV=production FERMAT_CONFIG=/etc/fermat/fermat.yaml PATH=/fermat/bin:/nodejs/bin:/usr/bin:/bin
WORKDIR /fermat
COPY --from=build /fermat /fermat
# Where a volume may be mounted that Fermat writes to (geoip update --to /var/lib/fermat/…); a new one takes its owner from here.
COPY --from=build --chown=65532:65532 /state /var/lib/fermat
# By number, so that Kubernetes' runAsNonRoot can tell. 65532 is the image's own `nonroot`. Nothing under / is written to.
USER 65532:65532
# 8080: traffic. The admin API stays on the container's loopback unless the configuration says otherwise.
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 CMD ["/nodejs/bin/node", "/fermat/src/cli.ts", "healthcheck"]
ENTRYPOINT ["/nodejs/bin/node", "/fermat/src/cli.ts"]
CMD ["run"]
