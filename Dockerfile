# No build step: Node 26 strips the types of Fermat's own files as it reads them.
FROM node:26-slim AS dependencies
WORKDIR /fermat
COPY package.json package-lock.json ./
# The image is the runtime, so the optional packages that carry one are left out; the hashes are in the lockfile.
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund && npm cache clean --force

FROM node:26-slim
LABEL org.opencontainers.image.title="Fermat" \
      org.opencontainers.image.description="An edge proxy that takes the path of least time" \
      org.opencontainers.image.licenses="MIT"
# Where `run` and `healthcheck` look; mount the configuration here.
ENV NODE_ENV=production FERMAT_CONFIG=/etc/fermat/fermat.yaml
WORKDIR /fermat
COPY --from=dependencies /fermat/node_modules node_modules
COPY package.json LICENSE NOTICE ./
COPY bin bin
COPY geoip geoip
COPY src src
RUN ln -s /fermat/bin/fermat /usr/local/bin/fermat
# The image's own unprivileged user, by number so that Kubernetes' runAsNonRoot can tell.
USER 1000:1000
# 8080: traffic. The admin API stays on the container's loopback unless the configuration says otherwise.
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["fermat", "healthcheck"]
ENTRYPOINT ["fermat"]
CMD ["run"]
