"""move.py ROOT 'old new' ...  : git mv modules (paths under ROOT, no .py; packages too) and rewrite imports."""
import ast,subprocess,sys,re
from pathlib import Path
root=Path(sys.argv[1]).resolve()
pairs=[a.split() for a in sys.argv[2:]]
def modules(base):
    out={}
    for top in ('fabfile','tests','lab','bench','healer'):
        for p in (base/top).rglob('*.py'):
            if '.venv' in p.parts or 'golden' in p.parts: continue
            r=p.relative_to(base).with_suffix('')
            parts=r.parts[:-1] if r.name=='__init__' else r.parts
            out['.'.join(parts)]=p
    for p in base.glob('*.py'): out[p.stem]=p
    return out
old=modules(root)
# mapping old dotted -> new dotted
M={}
for o,n in pairs:
    o='fabfile.'+o.replace('/','.'); n='fabfile.'+n.replace('/','.')
    for m in old:
        if m==o or m.startswith(o+'.'): M.setdefault(m,n+m[len(o):])
def nm(m): return M.get(m,m)
ispkg={m:p.name=='__init__.py' for m,p in old.items()}
def resolve(cur,node):
    """absolute dotted base of an ImportFrom in module cur"""
    if not node.level: return node.module or ''
    parts=cur.split('.')
    if not ispkg[cur]: parts=parts[:-1]
    parts=parts[:len(parts)-(node.level-1)]
    return '.'.join(parts+([node.module] if node.module else []))
def rel(newcur,pkg,target):
    """relative form of absolute module `target` seen from newcur"""
    here=newcur.split('.')
    if not pkg: here=here[:-1]
    t=target.split('.')
    k=0
    while k<len(here) and k<len(t) and here[k]==t[k]: k+=1
    return '.'*(len(here)-k+1)+'.'.join(t[k:])
def binds(fn,name):
    a=fn.args
    if name in [x.arg for x in [*a.posonlyargs,*a.args,*a.kwonlyargs,*filter(None,[a.vararg,a.kwarg])]]: return True
    if isinstance(fn,ast.Lambda): return False
    for n in ast.walk(fn):
        if isinstance(n,ast.Name) and n.id==name and isinstance(n.ctx,(ast.Store,ast.Del)): return True
    return False
def rename_names(t,renames):
    tree=ast.parse(t); pos=[]
    def visit(n,shadow):
        if isinstance(n,(ast.FunctionDef,ast.AsyncFunctionDef,ast.Lambda)):
            shadow=shadow|{x for x in renames if binds(n,x)}
        elif isinstance(n,(ast.ListComp,ast.SetComp,ast.GeneratorExp,ast.DictComp)):
            shadow=shadow|{m.id for g in n.generators for m in ast.walk(g.target) if isinstance(m,ast.Name) and m.id in renames}
        if isinstance(n,ast.Name) and n.id in renames and n.id not in shadow and isinstance(n.ctx,ast.Load):
            pos.append((n.lineno,n.col_offset,n.id))
        for c in ast.iter_child_nodes(n): visit(c,shadow)
    visit(tree,set())
    lines=t.split('\n')
    for l,c,o in sorted(pos,reverse=True):
        raw=lines[l-1].encode(); lines[l-1]=(raw[:c]+renames[o].encode()+raw[c+len(o.encode()):]).decode()
    return '\n'.join(lines)
edits={}
for m,p in old.items():
    text=p.read_text(); tree=ast.parse(text); lines=text.split('\n')
    repl=[]; renames={}
    for node in ast.walk(tree):
        if isinstance(node,ast.ImportFrom):
            base=resolve(m,node)
            if not base.startswith('fabfile'): continue
            groups={}
            for a in node.names:
                sub=f'{base}.{a.name}'
                if sub in old and (base not in old or ispkg.get(base)) :  # a module
                    # symbol could be defined in package __init__ as well; prefer module
                    new=nm(sub); nb,_,nn=new.rpartition('.')
                    asname=a.asname
                    if nn!=a.name and not a.asname: renames[a.name]=nn
                    groups.setdefault(nb,[]).append((nn,asname))
                else:
                    groups.setdefault(nm(base),[]).append((a.name,a.asname))
            newcur=nm(m)
            stm=[]
            for nb,names in groups.items():
                b=nb if not node.level else rel(newcur,ispkg[m],nb)
                ns=', '.join(n+(f' as {a}' if a else '') for n,a in names)
                stm.append(f'from {b} import {ns}')
            oldstm='from '+('.'*node.level)+(node.module or '')+' import '+', '.join(a.name+(f' as {a.asname}' if a.asname else '') for a in node.names)
            if stm!=[oldstm]:
                ind=' '*node.col_offset
                repl.append((node.lineno,node.end_lineno,node.end_col_offset,[ind+s for s in stm]))
        elif isinstance(node,ast.Import):
            ch=False; names=[]
            for a in node.names:
                if a.name in old and a.name in M:
                    ch=True; names.append(M[a.name]+(f' as {a.asname}' if a.asname else ''))
                else: names.append(a.name+(f' as {a.asname}' if a.asname else ''))
            if ch: repl.append((node.lineno,node.end_lineno,node.end_col_offset,[' '*node.col_offset+'import '+', '.join(names)]))
    for a,b,ec,new in sorted(repl,reverse=True):
        tail=lines[b-1].encode()[ec:].decode()
        new[-1]+=tail
        lines[a-1:b]=new
    t='\n'.join(lines)
    if renames: t=rename_names(t,renames)
    # dotted strings
    pat='|'.join(re.escape(o) for o in sorted(M,key=len,reverse=True))
    if M and 'fabfile.' in t:
        import io,tokenize
        ls=t.split('\n'); toks=[k for k in tokenize.generate_tokens(io.StringIO(t).readline) if k.type==tokenize.STRING and 'fabfile.' in k.string and k.start[0]==k.end[0]]
        for k in reversed(toks):
            l=ls[k.start[0]-1]
            new=re.sub(rf"(?<![\w.])({pat})(?![\w])",lambda m:M[m[1]],k.string)
            ls[k.start[0]-1]=l[:k.start[1]]+new+l[k.end[1]:]
        t='\n'.join(ls)
    if t!=text: edits[p]=t
for p,t in edits.items(): p.write_text(t)
for o,n in pairs:
    src=root/'fabfile'/o; dst=root/'fabfile'/n
    if not ispkg['fabfile.'+o.replace('/','.')]: src=src.with_name(src.name+'.py'); dst=dst.with_name(dst.name+'.py')
    elif dst.exists():
        for f in sorted(src.iterdir()):
            if f.name!='__pycache__': (dst/f.name).unlink() if (dst/f.name).exists() else None; subprocess.run(['git','-C',str(root),'mv','-f',str(f),str(dst/f.name)],check=True)
        continue
    dst.parent.mkdir(parents=True,exist_ok=True)
    init=dst.parent/'__init__.py'
    if not init.exists(): init.write_text(''); subprocess.run(['git','-C',str(root),'add',str(init)],check=True)
    subprocess.run(['git','-C',str(root),'mv',str(src),str(dst)],check=True)
print(len(edits),'files rewritten')
