!> Maps of soil parameters on the land decomposition, read once at initialisation.
!>
!> The paramfile names the file in its global attribute `socnn_gridded_file`; without it every hook leaves CTSM as it
!> is. CTSM's reader takes any array of the right length and a scalar for an array, so sizes, coordinates, gaps and
!> ranges are checked here, with the file, the variable and the cell in the message.
module SocnnMapsMod
   use shr_kind_mod, only: r8 => shr_kind_r8
   use abortutils, only: endrun
   use clm_varcon, only: grlnd
   use clm_varctl, only: paramfile, iulog, single_column, use_fates
   use clm_varpar, only: nlevdecomp
   use decompMod, only: bounds_type
   use domainMod, only: ldomain
   use fileutils, only: getfil
   use GridcellType, only: grc
   use ncdio_pio, only: file_desc_t, var_desc_t, ncd_global, ncd_pio_openfile, ncd_pio_closefile
   use ncdio_pio, only: check_att, ncd_getatt, ncd_inqvid, ncd_inqvdims, ncd_inqvdids, ncd_inqdlen, ncd_io
   use spmdMod, only: masterproc
   implicit none
   private

   public :: read_maps, maps_active, require_initialised, mapped, map_value

   !> One name a map, for the index of map_value.
   integer, public, parameter :: i_bioturbation = 1, i_cryoturbation = 2, i_q10 = 3, i_frozen_q10 = 4
   integer, public, parameter :: i_efolding = 5, i_tau_l1 = 6, i_tau_l2_l3 = 7, i_tau_s1 = 8, i_tau_s2 = 9
   integer, public, parameter :: i_tau_s3 = 10, i_tau_cwd = 11, i_w_scaling = 12, i_beta = 13, i_rf_l1s1 = 14
   integer, public, parameter :: i_rf_l2s1 = 15, i_rf_l3s2 = 16, i_rf_s3s1 = 17, i_cwd_cellulose = 18
   integer, public, parameter :: i_cwd_lignin = 19, i_fs1s2 = 20, i_fs1s3 = 21, i_fs2s1 = 22, i_fs2s3 = 23
   integer, parameter :: n_maps = 23
   integer, parameter :: last_positive = i_beta !< maps up to here must be above 0
   integer, parameter :: first_fraction = i_beta !< maps from here on must not exceed 1

   !> Names on paramfiles since ctsm5.1.dev074, and before; parameters that CTSM does not know keep ours.
   character(len=24), parameter :: names(n_maps) = [character(len=24) :: "som_diffus", "cryoturb_diffusion_k", &
      "q10_mr", "froz_q10", "decomp_depth_efolding", "bgc_tau_l1", "bgc_tau_l2_l3", "bgc_tau_s1", "bgc_tau_s2", &
      "bgc_tau_s3", "tau_cwd", "w_scaling", "beta", "bgc_rf_l1s1", "bgc_rf_l2s1", "bgc_rf_l3s2", "bgc_rf_s3s1", &
      "bgc_cwd_fcel", "cwd_flig", "fs1s2", "fs1s3", "fs2s1", "fs2s3"]
   character(len=24), parameter :: older_names(n_maps) = [character(len=24) :: "som_diffus", "cryoturb_diffusion_k", &
      "q10_mr", "froz_q10", "decomp_depth_efolding", "tau_l1", "tau_l2_l3", "tau_s1", "tau_s2", &
      "tau_s3", "tau_cwd_bgc", "w_scaling", "beta", "rf_l1s1_bgc", "rf_l2s1_bgc", "rf_l3s2_bgc", "rf_s3s1_bgc", &
      "cwd_fcel", "cwd_flig", "fs1s2", "fs1s3", "fs2s1", "fs2s3"]

   character(len=*), parameter :: attribute = "socnn_gridded_file"
   real(r8), parameter :: degrees_apart = 1.0e-3_r8 !< cell centres of the map and of the model
   real(r8), parameter :: missing_above = 1.0e30_r8
   real(r8), parameter :: sum_tolerance = 1.0e-10_r8
   integer, parameter :: path_length = 256

   logical, protected :: initialised = .false., active = .false.
   logical, protected :: present_map(n_maps) = .false.
   real(r8), allocatable, protected :: maps(:, :) !< (gridcell, map)

contains

   !> Read the maps that the paramfile names, on this processor's gridcells.
   subroutine read_maps(bounds, use_century_tfunc, normalized)
      type(bounds_type), intent(in) :: bounds
      logical, intent(in) :: use_century_tfunc !< CENTURY's own temperature function instead of a Q10
      logical, intent(in) :: normalized !< whether CTSM normalises its Q10 function

      character(len=path_length) :: path, local_path
      type(file_desc_t) :: ncid
      logical :: found

      initialised = .true.
      call find_path(path, found)
      if (.not. found) return
      if (use_fates) call endrun(msg="ctsm-socnn: maps of soil parameters do not work with FATES")
      if (use_century_tfunc .or. .not. normalized) then
         call endrun(msg="ctsm-socnn: maps need the normalised Q10 function of temperature")
      end if
      if (nlevdecomp == 1) call endrun(msg="ctsm-socnn: maps need vertically resolved soil carbon")
      call getfil(path, local_path, 0)
      call ncd_pio_openfile(ncid, trim(local_path), 0)
      if (.not. single_column) call require_same_cells(ncid, path, bounds)
      call read_all(ncid, path, bounds)
      call ncd_pio_closefile(ncid)
      call require_sums(path, bounds)
      active = .true.
      if (masterproc) write (iulog, *) "ctsm-socnn: ", count(present_map), " maps of soil parameters from ", trim(path)
   end subroutine read_maps

   !> Whether maps are in use.
   pure logical function maps_active()
      maps_active = active
   end function maps_active

   !> Stop if CTSM reaches a hook without having initialised its CENTURY cascade: the maps would be ignored.
   subroutine require_initialised()
      if (.not. initialised) then
         call endrun(msg="ctsm-socnn: these SourceMods need soil_decomp_method CENTURYKoven2013 (the BGC cascade)")
      end if
   end subroutine require_initialised

   !> Whether the file holds a map.
   pure logical function mapped(map)
      integer, intent(in) :: map

      mapped = active .and. present_map(map)
   end function mapped

   !> Value of a map in a gridcell, or `otherwise` where there is no such map.
   pure real(r8) function map_value(map, g, otherwise)
      integer, intent(in) :: map, g
      real(r8), intent(in) :: otherwise

      if (mapped(map)) then
         map_value = maps(g, map)
      else
         map_value = otherwise
      end if
   end function map_value

   !> Path of the maps, from the paramfile.
   subroutine find_path(path, found)
      character(len=path_length), intent(out) :: path
      logical, intent(out) :: found

      character(len=path_length) :: local_path
      type(file_desc_t) :: ncid
      integer :: last

      path = " "
      call getfil(paramfile, local_path, 0)
      call ncd_pio_openfile(ncid, trim(local_path), 0)
      call check_att(ncid, ncd_global, attribute, found)
      if (found) call ncd_getatt(ncid, ncd_global, attribute, path)
      call ncd_pio_closefile(ncid)
      last = index(path, achar(0)) ! the reader pads with what C leaves behind
      if (last > 0) path = path(:last - 1)
   end subroutine find_path

   subroutine read_all(ncid, path, bounds)
      type(file_desc_t), intent(inout) :: ncid
      character(len=*), intent(in) :: path
      type(bounds_type), intent(in) :: bounds

      integer :: map

      allocate (maps(bounds%begg:bounds%endg, n_maps))
      maps = 0.0_r8
      do map = 1, n_maps
         call read_one(ncid, path, names(map), bounds, maps(:, map), present_map(map))
         if (.not. present_map(map)) then
            call read_one(ncid, path, older_names(map), bounds, maps(:, map), present_map(map))
         end if
         if (present_map(map)) call require_range(path, map, bounds)
      end do
      if (.not. any(present_map)) call endrun(msg="ctsm-socnn: no map of a soil parameter in "//trim(path))
   end subroutine read_all

   subroutine read_one(ncid, path, name, bounds, values, found)
      type(file_desc_t), intent(inout) :: ncid
      character(len=*), intent(in) :: path, name
      type(bounds_type), intent(in) :: bounds
      real(r8), intent(out) :: values(bounds%begg:)
      logical, intent(out) :: found

      real(r8), pointer :: buffer(:)
      type(var_desc_t) :: description
      integer :: varid

      values = 0.0_r8
      call ncd_inqvid(ncid, trim(name), varid, description, readvar=found)
      if (.not. found) return
      if (.not. single_column) call require_size(ncid, path, name, description)
      allocate (buffer(bounds%begg:bounds%endg))
      call ncd_io(ncid=ncid, varname=trim(name), flag="read", data=buffer, dim1name=grlnd, readvar=found)
      values = buffer
      deallocate (buffer)
      if (.not. found) call endrun(msg="ctsm-socnn: cannot read "//trim(name)//" of "//trim(path))
   end subroutine read_one

   !> Stop if a variable does not have one value a gridcell of the model's grid.
   subroutine require_size(ncid, path, name, description)
      type(file_desc_t), intent(inout) :: ncid
      character(len=*), intent(in) :: path, name
      type(var_desc_t), intent(inout) :: description

      integer, parameter :: most_dims = 4
      integer :: n_dims, dim_ids(most_dims), length, total, d

      call ncd_inqvdims(ncid, n_dims, description)
      total = 1
      if (n_dims < 1 .or. n_dims > most_dims) then
         total = 0
      else
         call ncd_inqvdids(ncid, dim_ids(:n_dims), description)
         do d = 1, n_dims
            call ncd_inqdlen(ncid, dim_ids(d), length)
            total = total*length
         end do
      end if
      if (total /= ldomain%ns) then
         write (iulog, *) "ctsm-socnn: ", trim(name), " of ", trim(path), " has ", total, &
            " values, the grid of the model ", ldomain%ns, " cells"
         call endrun(msg="ctsm-socnn: "//trim(name)//" is not on the grid of the model")
      end if
   end subroutine require_size

   !> Stop on a map that is flipped, shifted or transposed against the model.
   subroutine require_same_cells(ncid, path, bounds)
      type(file_desc_t), intent(inout) :: ncid
      character(len=*), intent(in) :: path
      type(bounds_type), intent(in) :: bounds

      real(r8) :: lat(bounds%begg:bounds%endg), lon(bounds%begg:bounds%endg)
      logical :: found_lat, found_lon
      integer :: g

      call read_one(ncid, path, "LATIXY", bounds, lat, found_lat)
      call read_one(ncid, path, "LONGXY", bounds, lon, found_lon)
      if (.not. (found_lat .and. found_lon)) then
         call endrun(msg="ctsm-socnn: LATIXY or LONGXY is missing in "//trim(path))
      end if
      do g = bounds%begg, bounds%endg
         if (.not. same_place(lat(g), lon(g), grc%latdeg(g), grc%londeg(g))) then
            write (iulog, *) "ctsm-socnn: ", trim(path), " gridcell ", g, " lies at lat, lon ", lat(g), lon(g), &
               " in the map and ", grc%latdeg(g), grc%londeg(g), " in the model"
            call endrun(msg="ctsm-socnn: the map is flipped, shifted, transposed or of another grid")
         end if
      end do
   end subroutine require_same_cells

   !> Whether two points are the same, longitudes counted in any way; all longitudes are the same at a pole.
   pure logical function same_place(lat, lon, other_lat, other_lon)
      real(r8), intent(in) :: lat, lon, other_lat, other_lon !< degrees

      same_place = .false.
      if (lat /= lat .or. lon /= lon) return ! NaN; debug builds trap other comparisons of it
      same_place = abs(lat - other_lat) < degrees_apart
      if (abs(other_lat) < 90.0_r8 - degrees_apart) then
         same_place = same_place .and. &
                      abs(modulo(lon - other_lon + 180.0_r8, 360.0_r8) - 180.0_r8) < degrees_apart
      end if
   end function same_place

   !> Stop on gaps and on values that CTSM cannot use.
   subroutine require_range(path, map, bounds)
      character(len=*), intent(in) :: path
      integer, intent(in) :: map
      type(bounds_type), intent(in) :: bounds

      integer :: g

      do g = bounds%begg, bounds%endg
         if (.not. usable(map, maps(g, map))) call stop_at(path, trim(names(map)), g, maps(g, map))
      end do
   end subroutine require_range

   pure logical function usable(map, value)
      integer, intent(in) :: map
      real(r8), intent(in) :: value

      usable = .false.
      if (value /= value) return ! NaN; asked first, because debug builds trap other comparisons
      usable = abs(value) < missing_above
      if (map <= last_positive) then
         usable = usable .and. value > 0.0_r8
      else
         usable = usable .and. value >= 0.0_r8
      end if
      if (map >= first_fraction) usable = usable .and. value <= 1.0_r8
   end function usable

   !> Stop if what leaves a pool exceeds 1, or the shares of woody debris do not sum to it.
   subroutine require_sums(path, bounds)
      character(len=*), intent(in) :: path
      type(bounds_type), intent(in) :: bounds

      real(r8) :: total
      integer :: g

      call require_pair(path, i_fs1s2, i_fs1s3)
      call require_pair(path, i_fs2s1, i_fs2s3)
      call require_pair(path, i_cwd_cellulose, i_cwd_lignin)
      do g = bounds%begg, bounds%endg
         total = maps(g, i_fs1s2) + maps(g, i_fs1s3)
         if (total > 1.0_r8 + sum_tolerance) call stop_at(path, "fs1s2 + fs1s3", g, total)
         total = maps(g, i_fs2s1) + maps(g, i_fs2s3)
         if (total > 1.0_r8 + sum_tolerance) call stop_at(path, "fs2s1 + fs2s3", g, total)
         total = maps(g, i_cwd_cellulose) + maps(g, i_cwd_lignin)
         if (present_map(i_cwd_lignin) .and. abs(total - 1.0_r8) > sum_tolerance) then
            call stop_at(path, "cwd_fcel + cwd_flig", g, total)
         end if
      end do
   end subroutine require_sums

   subroutine require_pair(path, first, second)
      character(len=*), intent(in) :: path
      integer, intent(in) :: first, second

      if (present_map(first) .neqv. present_map(second)) then
         call endrun(msg="ctsm-socnn: only one of "//trim(names(first))//" and "//trim(names(second))// &
                     " in "//trim(path))
      end if
   end subroutine require_pair

   subroutine stop_at(path, what, g, value)
      character(len=*), intent(in) :: path, what
      integer, intent(in) :: g
      real(r8), intent(in) :: value

      write (iulog, *) "ctsm-socnn: ", trim(path), " ", what, " = ", value, " in gridcell ", g, &
         " at lat, lon ", grc%latdeg(g), grc%londeg(g)
      call endrun(msg="ctsm-socnn: impossible value of "//what//" in "//trim(path))
   end subroutine stop_at

end module SocnnMapsMod
