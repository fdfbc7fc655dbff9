! Small stand-ins for the infrastructure that CTSM's soil code uses: kinds, switches, grid, decomposition.
! Names and interfaces are CTSM's, as facts; everything else is ours. Compile with -DOLD_CTSM for what came before
! ctsm5.1.dev074.
module shr_kind_mod
   implicit none
   integer, parameter :: shr_kind_r8 = selected_real_kind(12)
   integer, parameter :: shr_kind_cl = 256
end module shr_kind_mod

module shr_const_mod
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   real(r8), parameter :: SHR_CONST_PI = 3.14159265358979323846_r8
   real(r8), parameter :: SHR_CONST_TKFRZ = 273.15_r8
end module shr_const_mod

module shr_log_mod
   implicit none
contains
   function shr_log_errMsg(file, line) result(message)
      character(len=*), intent(in) :: file
      integer, intent(in) :: line
      character(len=512) :: message
      write (message, '(a,a,a,i0)') ' ', trim(file), ':', line
   end function shr_log_errMsg
end module shr_log_mod

module shr_mpi_mod
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   interface shr_mpi_bcast
      module procedure bcast_scalar, bcast_array
   end interface shr_mpi_bcast
contains
   subroutine bcast_scalar(value, communicator)
      real(r8), intent(inout) :: value
      integer, intent(in) :: communicator
      if (communicator < 0) value = 0.0_r8
   end subroutine bcast_scalar
   subroutine bcast_array(value, communicator)
      real(r8), intent(inout) :: value(:)
      integer, intent(in) :: communicator
      if (communicator < 0) value = 0.0_r8
   end subroutine bcast_array
end module shr_mpi_mod

module shr_nl_mod
   implicit none
contains
   subroutine shr_nl_find_group_name(unit, name, status)
      integer, intent(in) :: unit
      character(len=*), intent(in) :: name
      integer, intent(out) :: status
      status = merge(0, 1, unit > 0 .and. len(name) > 0)
   end subroutine shr_nl_find_group_name
end module shr_nl_mod

module spmdMod
   implicit none
   logical :: masterproc = .false.
   integer :: mpicom = 0
end module spmdMod

module abortutils
   implicit none
contains
   subroutine endrun(msg, subgrid_index, subgrid_level)
      use, intrinsic :: iso_fortran_env, only: error_unit
      character(len=*), intent(in), optional :: msg
      integer, intent(in), optional :: subgrid_index, subgrid_level
      if (present(subgrid_index) .and. present(subgrid_level)) write (error_unit, *) 'at', subgrid_index, subgrid_level
      if (present(msg)) write (error_unit, '(a)') 'ENDRUN: '//trim(msg)
      error stop 3
   end subroutine endrun
end module abortutils

module fileutils
   implicit none
contains
   subroutine getfil(fulpath, locfn, iflag)
      character(len=*), intent(in) :: fulpath
      character(len=*), intent(out) :: locfn
      integer, intent(in) :: iflag
      locfn = fulpath
      if (iflag /= 0) locfn = ' '
   end subroutine getfil
   integer function getavu()
      getavu = 42
   end function getavu
   subroutine relavu(unit)
      integer, intent(in) :: unit
      close (unit)
   end subroutine relavu
   subroutine opnfil(locfn, unit, form)
      character(len=*), intent(in) :: locfn
      integer, intent(in) :: unit
      character(len=1), intent(in) :: form
      if (form == 'f') open (unit, file=locfn)
   end subroutine opnfil
end module fileutils

module clm_varpar
   implicit none
   integer :: nlevsoi = 20, nlevgrnd = 25, nlevdecomp = 20, nlevdecomp_full = 25
   integer :: ndecomp_pools = 7, ndecomp_cascade_transitions = 10
   integer :: maxpatch_pft = 2, maxsoil_patches = 2
   integer, parameter :: ndecomp_pools_max = 8
#ifdef OLD_CTSM
   integer, parameter :: i_met_lit = 1, i_cel_lit = 2, i_lig_lit = 3, i_cwd = 4
#else
   integer :: i_litr_min = 1, i_litr_max = 3, i_met_lit = 1, i_cwd = 7, i_cwdl2 = 9
#endif
end module clm_varpar

module clm_varctl
   implicit none
   character(len=256) :: paramfile = 'paramfile.txt'
   integer :: iulog = 6, spinup_state = 0
   logical :: anoxia = .false., use_lch4 = .false., use_vertsoilc = .true., use_fates = .false., use_bedrock = .true.
   logical :: use_c13 = .false., use_c14 = .false., use_cn = .true., single_column = .false.
end module clm_varctl

module clm_varcon
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   character(len=16), parameter :: grlnd = 'lndgrid'
   real(r8), parameter :: secspday = 86400.0_r8
   real(r8), parameter :: zmin_bedrock = 0.4_r8
   real(r8) :: zsoi(25), dzsoi(25), dzsoi_decomp(25), zisoi(0:25)
end module clm_varcon

module decompMod
   implicit none
   integer, parameter :: subgrid_level_column = 3, subgrid_level_patch = 4
   type :: bounds_type
      integer :: begg, endg, begc, endc, begp, endp
   end type bounds_type
end module decompMod

module domainMod
   implicit none
   type :: domain_type
      integer :: ns = 0
   end type domain_type
   type(domain_type) :: ldomain
end module domainMod

module GridcellType
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   type :: gridcell_type
      real(r8), pointer :: latdeg(:), londeg(:)
   end type gridcell_type
   type(gridcell_type) :: grc
end module GridcellType

module ColumnType
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   type :: column_type
      integer, pointer :: gridcell(:), nbedrock(:), npatches(:), patchi(:)
      logical, pointer :: is_fates(:)
      real(r8), pointer :: dz(:, :)
   end type column_type
   type(column_type) :: col
end module ColumnType

module PatchType
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   type :: patch_type
      integer, pointer :: column(:), gridcell(:), itype(:)
      real(r8), pointer :: wtcol(:)
   end type patch_type
   type(patch_type) :: patch
end module PatchType

module landunit_varcon
   implicit none
   integer, parameter :: istcrop = 2
end module landunit_varcon

module pftconMod
   implicit none
   integer, parameter :: noveg = 0
   type :: pftcon_type
      integer :: unused = 0
   end type pftcon_type
   type(pftcon_type) :: pftcon
end module pftconMod

module clm_time_manager
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
contains
   real(r8) function get_average_days_per_year()
      get_average_days_per_year = 365.0_r8
   end function get_average_days_per_year
   real(r8) function get_days_per_year()
      get_days_per_year = 365.0_r8
   end function get_days_per_year
   integer function get_step_size()
      get_step_size = 1800
   end function get_step_size
   real(r8) function get_step_size_real()
      get_step_size_real = 1800.0_r8
   end function get_step_size_real
end module clm_time_manager

! Text files instead of netCDF: lines "attribute NAME VALUE" and "variable NAME NDIMS SIZES", values on the next line.
module ncdio_pio
   use shr_kind_mod, only: r8 => shr_kind_r8
   use abortutils, only: endrun
   implicit none
   integer, parameter :: ncd_global = 0, longest = 4000
   type :: file_desc_t
      character(len=256) :: path = ' '
   end type file_desc_t
   type :: var_desc_t
      integer :: ndims = 0, sizes(4) = 0
   end type var_desc_t
   interface ncd_io
      module procedure read_scalar, read_global, read_gridded
   end interface ncd_io
contains
   subroutine ncd_pio_openfile(file, fname, mode)
      class(file_desc_t), intent(inout) :: file
      character(len=*), intent(in) :: fname
      integer, intent(in) :: mode
      logical :: there
      inquire (file=fname, exist=there)
      if (.not. there .or. mode /= 0) call endrun(msg='cannot open '//fname)
      file%path = fname
   end subroutine ncd_pio_openfile

   subroutine ncd_pio_closefile(file)
      class(file_desc_t), intent(inout) :: file
      file%path = ' '
   end subroutine ncd_pio_closefile

   subroutine find(path, kind, name, rest, values, found)
      character(len=*), intent(in) :: path, kind, name
      character(len=*), intent(out) :: rest, values
      logical, intent(out) :: found
      character(len=longest) :: line
      character(len=64) :: word, label
      integer :: unit, status
      open (newunit=unit, file=path, action='read')
      found = .false.
      do
         read (unit, '(a)', iostat=status) line
         if (status /= 0) exit
         if (len_trim(line) == 0) cycle
         read (line, *, iostat=status) word, label
         if (status == 0 .and. word == kind .and. label == name) then
            found = .true.
            rest = adjustl(line(index(line, trim(label)) + len_trim(label):))
            values = ' '
            read (unit, '(a)', iostat=status) values
            exit
         end if
      end do
      close (unit)
   end subroutine find

   subroutine check_att(ncid, varid, attrib, att_found)
      class(file_desc_t), intent(inout) :: ncid
      integer, intent(in) :: varid
      character(len=*), intent(in) :: attrib
      logical, intent(out) :: att_found
      character(len=longest) :: rest, values
      call find(ncid%path, 'attribute', attrib, rest, values, att_found)
      if (varid /= ncd_global) att_found = .false.
   end subroutine check_att

   subroutine ncd_getatt(ncid, varid, attrib, value)
      class(file_desc_t), intent(inout) :: ncid
      integer, intent(in) :: varid
      character(len=*), intent(in) :: attrib
      character(len=*), intent(out) :: value
      character(len=longest) :: rest, values
      logical :: found
      call find(ncid%path, 'attribute', attrib, rest, values, found)
      value = trim(rest)//achar(0)//'left over from before'
      if (varid /= ncd_global .or. .not. found) value = ' '
   end subroutine ncd_getatt

   subroutine ncd_inqvid(ncid, name, varid, vardesc, readvar)
      class(file_desc_t), intent(inout) :: ncid
      character(len=*), intent(in) :: name
      integer, intent(out) :: varid
      type(var_desc_t), intent(out) :: vardesc
      logical, optional, intent(out) :: readvar
      character(len=longest) :: rest, values
      logical :: found
      call find(ncid%path, 'variable', name, rest, values, found)
      varid = 1
      if (found) then
         read (rest, *) vardesc%ndims
         if (vardesc%ndims > 0) read (rest, *) vardesc%ndims, vardesc%sizes(:vardesc%ndims)
      end if
      if (present(readvar)) readvar = found
   end subroutine ncd_inqvid

   subroutine ncd_inqvdims(ncid, ndims, vardesc)
      class(file_desc_t), intent(in) :: ncid
      integer, intent(out) :: ndims
      type(var_desc_t), intent(inout) :: vardesc
      ndims = vardesc%ndims
      if (ncid%path == ' ') ndims = 0
   end subroutine ncd_inqvdims

   ! The id of a dimension is its length.
   subroutine ncd_inqvdids(ncid, dids, vardesc)
      class(file_desc_t), intent(in) :: ncid
      integer, intent(out) :: dids(:)
      type(var_desc_t), intent(inout) :: vardesc
      dids = vardesc%sizes(:size(dids))
      if (ncid%path == ' ') dids = 0
   end subroutine ncd_inqvdids

   subroutine ncd_inqdlen(ncid, dimid, len)
      class(file_desc_t), intent(inout) :: ncid
      integer, intent(inout) :: dimid
      integer, intent(out) :: len
      len = dimid
      if (ncid%path == ' ') len = 0
   end subroutine ncd_inqdlen

   subroutine read_scalar(varname, data, flag, ncid, readvar)
      character(len=*), intent(in) :: varname, flag
      real(r8), intent(inout) :: data
      class(file_desc_t), intent(inout) :: ncid
      logical, optional, intent(out) :: readvar
      real(r8) :: one(1)
      one = data
      call read_global(varname, one, flag, ncid, readvar)
      data = one(1)
   end subroutine read_scalar

   subroutine read_global(varname, data, flag, ncid, readvar)
      character(len=*), intent(in) :: varname, flag
      real(r8), intent(inout) :: data(:)
      class(file_desc_t), intent(inout) :: ncid
      logical, optional, intent(out) :: readvar
      character(len=longest) :: rest, values
      logical :: found
      call find(ncid%path, 'variable', varname, rest, values, found)
      if (found .and. flag == 'read') read (values, *) data
      if (present(readvar)) readvar = found
   end subroutine read_global

   ! One processor holds all cells here.
   subroutine read_gridded(varname, data, dim1name, flag, ncid, readvar)
      character(len=*), intent(in) :: varname, dim1name, flag
      real(r8), pointer :: data(:)
      class(file_desc_t), intent(inout) :: ncid
      logical, optional, intent(out) :: readvar
      if (dim1name /= 'lndgrid') call endrun(msg='not on the land grid')
      call read_global(varname, data, flag, ncid, readvar)
   end subroutine read_gridded
end module ncdio_pio
